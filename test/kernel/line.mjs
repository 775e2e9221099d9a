/**
 * Connections that last, for the kernel tests; lines of JSON on stdin and stdout.
 *
 *   node line.mjs serve NAME PORT   answers each line of a connection with `NAME LINE`, and `close` by closing its own
 *                                   direction; never closes the other
 *   node line.mjs hold HOST PORT    connects; sends each line of its stdin, and prints what comes back, `closed` or
 *                                   `error CODE`; never closes
 */
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [what, nameOrHost, port] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);

if (what === 'serve') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    createInterface({ input: socket }).on('line', (line) =>
      line === 'close' ? socket.end() : socket.write(`${nameOrHost} ${line}\n`),
    );
  });
  server.listen(Number(port), '0.0.0.0', () => say('ready'));
  process.stdin.on('end', () => process.exit()).resume();
} else {
  const socket = connect({ host: nameOrHost, port: Number(port), allowHalfOpen: true }, () => say('ready'));
  socket.on('error', (error) => say(`error ${error.code}`));
  socket.on('end', () => say('closed'));
  createInterface({ input: socket })
    .on('error', () => {})
    .on('line', say);
  createInterface({ input: process.stdin })
    .on('line', (line) => socket.write(`${line}\n`))
    .on('close', () => process.exit());
}
