/** What every command line loads before anything is done. */
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('starting loads the words of the command line, and nothing that reads or compiles', async () => {
  const { metafile } = await build({
    entryPoints: ['src/cli/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    const imports = metafile.inputs[path]?.imports ?? [];
    for (const each of imports) if (each.kind === 'import-statement') visit(each.path);
  };
  visit('src/cli/main.ts');
  const others = [...found].filter((path) => !path.startsWith('src/cli/') && !path.startsWith('node:'));
  expect(others.sort()).toEqual([
    'commander',
    'src/apply/usual-folder.ts',
    'src/kube/diagnostics.ts',
    'src/kube/proxy-mode.ts',
    'src/net/family.ts',
  ]);
});
