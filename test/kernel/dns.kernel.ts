/** The zone files of Services in a real name server: it loads them without a word, and answers as it should. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRoute, type Route } from '../../src/index.js';
import { QUERIES, type Query } from '../inspect/dns-queries.js';
import { NAMES, ROUTES, routesCluster } from '../inspect/route-names.js';
import { findCases } from '../support/case.js';
import { kuberules } from '../support/cli.js';
import { nameServerUnavailable, skipWithReason } from './available.js';
import { checkZone, type NameServer, startNameServer, zoneFolder } from './name-server.js';

const OBJECTS = 'test/inspect/names.yaml';
const ZONES = ['cluster.local', 'in-addr.arpa', 'ip6.arpa'];

async function writeZones(objects: string, folder: string, ...args: readonly string[]): Promise<void> {
  const { code, err } = await kuberules('dns', '-f', objects, '-o', folder, ...args);
  expect({ code, errors: err.split('\n').filter((line) => line.includes('error: ')) }).toEqual({ code: 0, errors: [] });
}

describe.skipIf(skipWithReason('zones in a name server', nameServerUnavailable()))('zones of Services', () => {
  describe('are loaded without complaint', () => {
    const cases = [OBJECTS, ...findCases('golden').map((folder) => join(folder, 'objects.yaml'))];

    it.concurrent.each(cases.flatMap((file) => [[file, []] as const, [file, ['--simulate', '--pods']] as const]))(
      '%s %j',
      async (file, args) => {
        const folder = mkdtempSync(join(tmpdir(), 'kuberules-zones-'));
        try {
          await writeZones(file, folder, ...args);
          const files = readdirSync(folder);
          expect(files).toContain('cluster.local.zone');
          for (const name of files) {
            const zone = name.replace(/\.zone$/, '');
            const said = await checkZone(zone, join(folder, name));
            expect(said).toBe(`zone ${zone}/IN: loaded serial 1\nOK\n`);
          }
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      },
    );
  });

  describe('are served', () => {
    let server: NameServer;

    beforeAll(async () => {
      const folder = zoneFolder();
      await writeZones(OBJECTS, folder);
      expect(readdirSync(folder).sort()).toEqual(ZONES.map((zone) => `${zone}.zone`));
      server = await startNameServer(folder, ZONES);
    });

    afterAll(() => server?.stop());

    it('from the start', () => {
      for (const zone of ZONES) expect(server.log).toContain(`zone ${zone}/IN: loaded serial 1`);
    });

    it.each(QUERIES.map((query): [string, Query] => [`${query.name} ${query.type}: ${query.why}`, query]))(
      '%s',
      async (_title, query) => {
        const { status, authoritative, answer } = await server.ask(query.name, query.type);
        const data = answer.map((record) =>
          record.type === query.type ? record.data : `${record.type} ${record.data}`,
        );
        expect({ status, authoritative, answer: data.sort() }).toEqual({
          status: query.status,
          authoritative: true,
          answer: query.answer,
        });
        for (const { type, ttl } of answer) expect(ttl).toBe(type === 'TXT' ? 28800 : 30);
      },
    );

    it('SRV with the addresses of what it names', async () => {
      const { additional } = await server.ask('_pg._tcp.db.shop.svc.cluster.local.', 'SRV');
      expect(additional.map(({ name, type, data }) => `${name} ${type} ${data}`).sort()).toEqual([
        'db-0.db.shop.svc.cluster.local. A 10.244.1.20',
        'db-2.db.shop.svc.cluster.local. A 10.244.2.21',
      ]);
      const dual = await server.ask('_http._tcp.web.shop.svc.cluster.local.', 'SRV');
      expect(dual.additional.map(({ type, data }) => `${type} ${data}`).sort()).toEqual([
        'A 10.96.0.20',
        'AAAA fd00:10:96::20',
      ]);
    });
  });

  describe('are asked for names as a pod does it', () => {
    const around = routesCluster();
    let server: NameServer;

    beforeAll(async () => {
      const folder = zoneFolder();
      await writeZones(ROUTES, folder, '--pods');
      server = await startNameServer(folder, ZONES);
    });

    afterAll(() => server?.stop());

    const rows = NAMES.flatMap(([from, to, , , why]) => {
      const route = findRoute({ from, to, family: undefined }, around) as Route;
      const { lookup } = route;
      return lookup === undefined || lookup.resolver.searches.length === 0 ? [] : [[from, to, why, lookup] as const];
    });

    it('often enough to mean something', () => {
      expect(rows.length).toBeGreaterThan(25);
    });

    it.each(rows)('from %s: %s: %s', async (_from, _to, _why, lookup) => {
      const { searches, ndots } = lookup.resolver;
      const search = searches.map((each) => each.replace(/\.$/, '')).join(' ');
      const { addresses, asked } = await server.lookUp(
        lookup.name,
        `nameserver 127.0.0.1\nsearch ${search}\noptions ndots:${ndots} timeout:20 attempts:1\n`,
      );
      const found = lookup.addresses.filter(({ family }) => family === 'ipv4').map(({ text }) => text);
      expect([...addresses].sort()).toEqual(found.sort());
      expect(asked).toEqual(lookup.tried);
    });
  });
});
