/** iptables mode: one restore input, and the single commands that come before it. */
import type { Backend } from '../backend.js';
import { createRulesCompiler } from './rules.js';
import { setupText } from './setup.js';

/** Writes the rules for iptables-restore, and the commands that hook its chains into the kernel's own. */
export const iptablesBackend: Backend = {
  parts: ['rules', 'setup'],
  // By itself it can be piped to iptables-restore.
  printed: ['rules'],
  create() {
    const rules = createRulesCompiler();
    return (plan) => ({
      texts: [
        { part: 'rules', pieces: rules(plan) },
        { part: 'setup', pieces: [setupText(plan)] },
      ],
      diagnostics: [],
    });
  },
};
