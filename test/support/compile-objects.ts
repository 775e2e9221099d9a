/** Objects compiled in one go, for tests: the texts beside the plan that they must spell. */
import { expect } from 'vitest';
import {
  compile,
  DEFAULT_CONFIG,
  type Diagnostic,
  familiesOf,
  hasErrors,
  loadCluster,
  type Node,
  type NodePlan,
  type ProxyConfig,
  type ProxyMode,
  partText,
  planNode,
  type RawObject,
} from '../../src/index.js';

/** What is compiled, and for which node. */
export interface Given {
  readonly objects: readonly RawObject[];
  readonly config?: ProxyConfig;
  readonly node: string;
}

/** What one family of the node is compiled to. */
export interface CompiledFamily {
  readonly node: Node;
  readonly plan: NodePlan;
  /** By part: `rules`, `ipset`, `nft`. */
  readonly texts: Readonly<Record<string, string>>;
}

/** The families of the node, and all that was said about the objects. */
export interface CompiledObjects {
  readonly families: readonly CompiledFamily[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles objects that have no errors. */
export function compileObjects({ objects, config = DEFAULT_CONFIG, node: name }: Given, mode: ProxyMode) {
  const loaded = loadCluster(objects.map((object) => ({ object })));
  expect(loaded.diagnostics.filter((each) => each.severity === 'error')).toEqual([]);
  const node = loaded.state.nodes.get(name);
  if (node === undefined) throw new Error(`no node ${name}`);
  const { parts, diagnostics } = compile(loaded.state, { mode, config, node: name });
  expect(hasErrors(diagnostics)).toBe(false);
  const families = familiesOf(node, loaded.state, config).map((family): CompiledFamily => {
    const own = parts.filter((part) => part.family === family);
    const texts = Object.fromEntries(own.map((part) => [part.part, partText(part)]));
    return { node, plan: planNode(loaded.state, { node, family, mode, config }), texts };
  });
  return { families, diagnostics: [...loaded.diagnostics, ...diagnostics] } satisfies CompiledObjects;
}

/** Lines of printable ASCII, words one blank apart. */
export const PLAIN_LINES = /^([\x21-\x7e]+( [\x21-\x7e]+)*\n)*$/;

/** All texts of all families as one, to compare. */
export function wholeText({ families }: CompiledObjects): string {
  return families.flatMap(({ texts }) => Object.entries(texts).flat()).join('\n');
}
