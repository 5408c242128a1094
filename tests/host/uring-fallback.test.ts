// A file of its own: what the filter forbids, it forbids the whole process.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMemory } from '../../src/host/memory.js';
import { openUring } from '../../src/tun/uring.js';
import { checkForwards, LEFT, RIGHT, withBench } from '../support/pair-bench.js';
import { forbidUring } from '../support/seccomp.js';

const test = suite('uring fallback');

test('a ring that is forbidden is refused by its errno', () => {
  forbidUring();
  assert.throws(
    () => openUring(createMemory(1).memory, 0),
    (error: Error) => error.message === 'io_uring_setup: EPERM',
  );
});

test(
  'a worker that can have no ring polls, and says so once',
  withBench(
    async (bench) => {
      const { rig } = bench;
      const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
      await rig.publish([left.port, right.port]);
      await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'all the same');
      assert.equal(rig.warnings, [
        'worker 0 polls, as it can have no io_uring: io_uring_setup: EPERM',
      ]);
      assert.equal(rig.errors, []);
    },
    1,
    'uring',
  ),
);

test.run();
