import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ApiFixture, startFixture } from '../support/api-fixture.js';
import { runLine } from './support/run.js';

/** The recorded conns had their latest packets 1.2 and 1.0 s before this. */
const NOW_NS = 0x1aef32bf518n + 1_200_000_000n;

const test = suite('cli with the server');
let fixture: ApiFixture;

test.before(async () => {
  fixture = await startFixture();
});

test.after(() => fixture.close());

test('connections, settings and policies of the real server are shown', async () => {
  const options = { socketPath: fixture.path, monotonicNs: NOW_NS };
  assert.is(
    (await runLine('conntrack show', options)).out,
    `\
IFACE          ID  STATE        FLOW  SRC         DST         PROTO  SPORT  DPORT  LAST_UPDATE
p0     0x6ecf5440  established  fwd   10.99.0.99  172.16.0.2  TCP    40001   1234            1
                                rev   172.16.0.2  172.16.0.1          1234  46210
p0     0x6ecf5500  established  fwd   10.99.0.99  172.16.0.2  UDP    40002   1234            0
                                rev   172.16.0.2  172.16.0.1          1234  60123
`,
  );
  assert.match((await runLine('conntrack config', options)).out, /^used 2 \(6\.3%\)\nmax 32\n/);
  const policies = 'INTERFACE  SUBNET        REPLACE\np0         10.99.0.0/24  172.16.0.1\n';
  assert.is((await runLine('snat44', options)).out, policies);
  assert.match((await runLine('interface', options)).out, /^main +1 .*\np0 +2 .*\np1 +3 /m);
});

test('changes are taken, refusals come with the reason of the server', async () => {
  const options = { socketPath: fixture.path };
  for (const line of [
    'conntrack flush',
    'conntrack config set closed-timeout 7',
    'snat44 add interface p0 subnet 10.99.1.0/24 replace 172.16.0.1',
    'address add 10.98.0.1/24 iface p1',
    'interface add tun gw0',
  ]) {
    const { code, out, err } = await runLine(line, options);
    assert.equal({ code, out, err }, { code: 0, out: '', err: '' }, line);
  }
  const { code, err } = await runLine('conntrack config set max 64', options);
  assert.is(err, 'error: command failed: max 64 has to wait for a migration (EBUSY)\n');
  assert.is(code, 1);
});

test.run();
