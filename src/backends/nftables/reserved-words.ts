/** Words that nft does not take for an interface's name. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(['bridge']);
