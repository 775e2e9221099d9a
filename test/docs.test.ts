/** Documents that repeat what the code says. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BACKENDS } from '../src/backends/compile.js';
import { DIAGNOSTIC_CODES, LINT_CHECKS, MODE_DIFFERENCES, VERIFY_CODES } from '../src/index.js';

it('docs/diagnostics.md lists every code as it is', () => {
  const rows = Object.entries(DIAGNOSTIC_CODES).map(
    ([code, { severity, meaning }]) => `| ${code} | ${severity} | ${meaning} |`,
  );
  const listed = readFileSync('docs/diagnostics.md', 'utf8')
    .split('\n')
    .filter((line) => /^\| (?!code|---)/.test(line));
  expect(listed).toEqual(rows);
});

it('ARCHITECTURE.md names only files that exist', () => {
  const text = readFileSync('src/ARCHITECTURE.md', 'utf8');
  const files = [...text.matchAll(/`((?:kube|plan|backends|inspect|apply|cli|net)\/[\w./-]*?\w(?:\.ts|\/))`/g)].map(
    (match) => match[1] ?? '',
  );
  expect(files.length).toBeGreaterThan(10);
  for (const file of files) expect(existsSync(`src/${file}`), file).toBe(true);
});

it('README.md counts the golden cases', () => {
  expect(readFileSync('README.md', 'utf8')).toContain(`\`golden/\` holds ${readdirSync('golden').length} cases`);
});

it('links in documents lead somewhere', () => {
  const documents = [
    'README.md',
    'src/ARCHITECTURE.md',
    ...readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];
  for (const document of documents) {
    const text = readFileSync(document, 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => join(document, '..', match[1] ?? ''));
    const named = [...text.matchAll(/(?<![\w/])docs\/[\w-]+\.md/g)].map((match) => match[0]);
    for (const target of [...links, ...named]) expect(existsSync(target), `${document}: ${target}`).toBe(true);
  }
});

it('docs/modes.md lists every difference between modes as it is', () => {
  const rows = MODE_DIFFERENCES.map(
    ({ code, title, modes }) => `| \`${code}\` | ${title} | ${modes.iptables} | ${modes.ipvs} | ${modes.nftables} |`,
  );
  const [, section = ''] = readFileSync('docs/modes.md', 'utf8').split('\n## Differences\n');
  const [differences = ''] = section.split('\n## ');
  expect(differences.split('\n').filter((line) => /^\| `[a-z]/.test(line))).toEqual(rows);
});

it('docs/modes.md and README.md name the parts of every mode', () => {
  const modes = readFileSync('docs/modes.md', 'utf8');
  for (const [mode, { parts }] of Object.entries(BACKENDS)) {
    const [, section = ''] = modes.split(`\n### ${mode}\n`);
    const listed = [...(section.split(/\n##+ /)[0] ?? '').matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
    expect(listed.sort()).toEqual([...parts].sort());
    expect(readFileSync('README.md', 'utf8')).toContain(`of ${mode}: ${parts.map((part) => `\`${part}\``).join(', ')}`);
  }
});

it('docs/lint.md lists every check as it is', () => {
  const rows = LINT_CHECKS.map(
    ({ code, severity, title, reason, wayOut }) => `| \`${code}\` | ${severity} | ${title} | ${reason} | ${wayOut} |`,
  );
  const listed = readFileSync('docs/lint.md', 'utf8')
    .split('\n')
    .filter((line) => /^\| `[a-z]/.test(line));
  expect(listed).toEqual(rows);
});

it('docs/verify.md lists every code as it is', () => {
  const rows = Object.entries(VERIFY_CODES).map(
    ([code, { severity, meaning }]) => `| \`${code}\` | ${severity} | ${meaning} |`,
  );
  const [, findings = ''] = readFileSync('docs/verify.md', 'utf8').split('\n## Findings\n');
  expect(findings.split('\n').filter((line) => /^\| `[a-z]/.test(line))).toEqual(rows);
});
