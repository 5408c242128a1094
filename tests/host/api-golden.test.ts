/*
 * Exchanges as they were recorded between upstream's daemon and its grcli, byte by byte. Where the
 * recording has uninitialised padding, zeros are expected.
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ApiFixture, startFixture } from '../support/api-fixture.js';
import { connectRaw, hex } from '../support/raw-client.js';

const P0 = `0200 02 00 1100 0500 dc05 0100 0000 0000 10270000
  7030 ${'00'.repeat(14)} ${'00'.repeat(256)}
  0100 0100 2000 2000 367fda1640f2
  6e65745f746170302c69666163653d782d7030 ${'00'.repeat(109)}
  6e65745f746170 ${'00'.repeat(25)}`;

const VERSION = `76302e31372e312d332d676438383835363136 ${'00'.repeat(109)}`;

const TCP = `0200 02 06 0a630063 ac100002 9c41 04d2 ac100002 ac100001 04d2 b482
  00000000 18f52bf3ae010000 4054cf6e 04000000`;
const UDP = `0200 02 11 0a630063 ac100002 9c42 04d2 ac100002 ac100001 04d2 eadb
  00000000 a258be05af010000 0055cf6e 04000000`;

interface Exchange {
  readonly name: string;
  readonly request: string;
  readonly response: string;
}

const EXCHANGES: readonly Exchange[] = [
  {
    name: 'hello',
    request: `01000000 8119feca 84000000 0a000000 ${VERSION}`,
    response: '01000000 00000000 02000000 4000',
  },
  {
    name: 'hello of another version is EBADMSG',
    request: `01000000 8119feca 84000000 09000000 ${VERSION}`,
    response: '01000000 4a000000 00000000',
  },
  {
    name: 'conntrack list',
    request: '02000000 0100c0c0 00000000',
    response: `02000000 00000000 30000000 ${TCP} 02000000 00000000 30000000 ${UDP}
      02000000 00000000 00000000`,
  },
  {
    name: 'conntrack config show',
    request: '02000000 0300c0c0 00000000',
    response: `02000000 00000000 20000000
      20000000 05000000 05000000 1e000000 2c010000 78000000 1e000000 02000000`,
  },
  {
    name: 'conntrack config set closed-timeout 7',
    request: `02000000 0400c0c0 1c000000
      00000000 07000000 00000000 00000000 00000000 00000000 00000000`,
    response: '02000000 00000000 00000000',
  },
  {
    name: 'conntrack flush',
    request: '02000000 0200c0c0 00000000',
    response: '02000000 00000000 00000000',
  },
  {
    name: 'conntrack config set max 64 that is refused with EBUSY',
    request: `02000000 0400c0c0 1c000000 40000000 ${'00'.repeat(24)}`,
    response: '02000000 10000000 00000000',
  },
  {
    name: 'snat44 show',
    request: '02000000 0600ad0b 00000000',
    response: `02000000 00000000 10000000 02000000 0a630000 18000000 ac100001
      02000000 00000000 00000000`,
  },
  {
    name: 'snat44 add',
    request: '04000000 0400ad0b 14000000 02000000 0a630100 18000000 ac100001 01000000',
    response: '04000000 00000000 00000000',
  },
  {
    name: 'snat44 del',
    request: '04000000 0500ad0b 14000000 02000000 0a630100 18000000 ac100001 01000000',
    response: '04000000 00000000 00000000',
  },
  {
    name: 'interface by id',
    request: `03000000 0300dcac 12000000 0200 ${'00'.repeat(16)}`,
    response: `03000000 00000000 d2010000 ${P0}`,
  },
  {
    name: 'interface by name',
    request: `03000000 0300dcac 12000000 0000 7030 ${'00'.repeat(14)}`,
    response: `03000000 00000000 d2010000 ${P0}`,
  },
  {
    name: 'interface of an unknown name is ENODEV',
    request: `03000000 0300dcac 12000000 0000 6e6f7065 ${'00'.repeat(12)}`,
    response: '03000000 13000000 00000000',
  },
  {
    name: 'interface add port',
    request: `02000000 0100dcac d2010000 0000 02 00 0100 ${'00'.repeat(14)}
      7030 ${'00'.repeat(14)} ${'00'.repeat(256)} ${'00'.repeat(14)}
      6e65745f746170392c69666163653d782d7039 ${'00'.repeat(109)} ${'00'.repeat(32)}`,
    response: '02000000 00000000 02000000 0400',
  },
  {
    name: 'address show',
    request: '02000000 07000df0 04000000 0000 0000',
    response: `02000000 00000000 0c000000 02000000 ac100001 18000000
      02000000 00000000 0c000000 03000000 0a630001 18000000 02000000 00000000 00000000`,
  },
  {
    name: 'address show of IPv6 is empty',
    request: '05000000 0700edfe 04000000 00000000',
    response: '05000000 00000000 00000000',
  },
  {
    name: 'address add',
    request: '04000000 05000df0 10000000 03000000 0a620001 18000000 01000000',
    response: '04000000 00000000 00000000',
  },
  {
    name: 'address del',
    request: '04000000 06000df0 10000000 03000000 0a620001 18000000 01000000',
    response: '04000000 00000000 00000000',
  },
];

interface Context {
  fixture: ApiFixture;
}

const test = suite<Partial<Context>>('api golden exchanges');

test.before(async (context) => {
  context.fixture = await startFixture();
});

test.after(async ({ fixture }) => fixture?.close());

for (const { name, request, response } of EXCHANGES) {
  test(`${name} is answered as recorded`, async ({ fixture }) => {
    const client = await connectRaw(fixture?.path ?? '');
    client.send(hex(request));
    // What is asked last shows that nothing more came before.
    client.send(hex('ff000000 00000000 00000000'));
    const expected = `${hex(response).toString('hex')}ff0000005f00000000000000`;
    const got = await client.read(expected.length / 2);
    assert.is(got.toString('hex'), expected);
    client.close();
  });
}

test('the list of all interfaces has the recorded sizes', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.send(hex('02000000 0400dcac 01000000 00'));
  const sizes = [];
  for (let i = 0; i < 4; i++) sizes.push((await client.readMessage()).payload.length);
  assert.equal(sizes, [316, 466, 466, 0]);
  client.close();
});

test('an interface asked for in the midst of a list is answered after it', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.send(hex('02000000 0100c0c0 00000000'));
  const ids = [(await client.readMessage()).id];
  client.send(hex(`03000000 0300dcac 12000000 0200 ${'00'.repeat(16)}`));
  for (let i = 0; i < 3; i++) ids.push((await client.readMessage()).id);
  assert.equal(ids, [2, 2, 2, 3]);
  client.close();
});

test.run();
