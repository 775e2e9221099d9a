/** Since when real servers wait for their last connections, kept so that an apply that was killed is completed by the next. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFields } from '../kube/fields.js';

/** Milliseconds since 1970 by real server. */
export type Begins = ReadonlyMap<string, number>;

/** What passes, and how it is waited for. */
export interface Clock {
  /** In milliseconds since 1970. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

function drainingFile(folder: string): string {
  return join(folder, 'draining.json');
}

/** The begins that are known; none where the file is lost, and then the time starts anew. */
export function readBegins(folder: string): Begins {
  try {
    const value: unknown = JSON.parse(readFileSync(drainingFile(folder), 'utf8'));
    if (!isFields(value)) return new Map();
    return new Map(Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
  } catch {
    return new Map();
  }
}

/** Keeps them. Where that fails nothing is lost but time. */
export function writeBegins(folder: string, begins: Begins): void {
  try {
    writeFileSync(drainingFile(folder), JSON.stringify(Object.fromEntries(begins)), { mode: 0o600 });
  } catch {
    // The next apply waits from its own start.
  }
}
