/** Exit codes of all commands. */

/** Done, nothing found. */
export const DONE = 0;

/** Done, and something was found: differences or findings. */
export const FOUND = 1;

/** Bad usage, unreadable or wrong input, a failed system call: no result. */
export const TROUBLE = 2;
