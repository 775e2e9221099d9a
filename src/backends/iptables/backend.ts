/** iptables mode: one restore input, and the single commands that come before it. */
import type { Backend } from '../backend.js';
import { createRulesCompiler } from './rules.js';
import { setupText } from './setup.js';

export const iptablesBackend: Backend = {
  parts: ['rules', 'setup'],
  // By itself it can be piped to iptables-restore.
  printed: ['rules'],
  create() {
    const rules = createRulesCompiler();
    return (plan) => ({ texts: { rules: rules(plan), setup: [setupText(plan)] }, diagnostics: [] });
  },
};
