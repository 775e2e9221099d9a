/** Colours for texts that a terminal shows. */
import { styleText } from 'node:util';
import type { Terminal } from './io.js';

/** How something is painted. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Paints a text; widths are counted before. */
export type Paint = (style: Style, text: string) => string;

/** Paints where the terminal wants colours, else leaves texts as they are. */
export function painter(terminal: Terminal | undefined): Paint {
  if (terminal?.color !== true) return (_style, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}
