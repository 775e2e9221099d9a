/** The pure folders run anywhere: bundled for a browser and run in a realm that has nothing of Node. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const PURE_FOLDERS = ['net', 'kube', 'plan', 'backends', 'inspect'];

function sourceFiles(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('imports', () => {
  const layers = [...PURE_FOLDERS, 'apply', 'cli'];

  it.each(PURE_FOLDERS.flatMap((folder) => sourceFiles(join('src', folder))))('of %s go one way', (file) => {
    const own = layers.indexOf(file.split('/')[1] ?? '');
    const text = readFileSync(file, 'utf8');
    const imports = [...text.matchAll(/^(?:import|export)[^'"]*from '([^']+)';$/gm)].map((match) => match[1] ?? '');
    for (const from of imports) {
      expect(from).not.toMatch(/^node:/);
      if (!from.startsWith('.')) continue;
      const target = join(file, '..', from).split('/')[1] ?? '';
      expect(layers.indexOf(target), `${file} imports ${from}`).toBeLessThanOrEqual(own);
      expect(layers.indexOf(target)).toBeGreaterThanOrEqual(0);
    }
    expect(text).not.toMatch(/\bimport\(|\bimport '|\b(performance|crypto|fetch)\b[.(]/);
    expect(text).not.toMatch(/\b(process|Buffer|Date|Math\.random|setTimeout|console)\b[.(]/);
  });
});

it('the library compiles an example, and reads the result, without anything of Node', async () => {
  const bundle = await build({
    entryPoints: ['src/index.ts'],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    globalName: 'kuberules',
    logLevel: 'silent',
  });
  const [file] = bundle.outputFiles;
  const services = readFileSync('examples/shop/services.yaml', 'utf8');
  const slices = readFileSync('examples/shop/endpointslices.yaml', 'utf8');
  const realm = vm.createContext({
    TextEncoder,
    sources: [
      { name: 'a', text: services },
      { name: 'b', text: slices },
    ],
  });
  const text: unknown = vm.runInContext(
    `${file?.text}
    const read = kuberules.readObjects(sources);
    const cluster = kuberules.loadCluster(read.objects);
    const rules = kuberules.partText(kuberules.compile(cluster.state, { node: 'worker-1' }).parts[0]);
    kuberules.printXtables(kuberules.readXtables({ name: 'c', text: rules }).text);`,
    realm,
  );
  const expected = readFileSync('golden/shop/expected/iptables.ipv4.rules', 'utf8');
  expect(text).toBe(expected);
});
