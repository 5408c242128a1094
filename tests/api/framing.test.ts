import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError } from '../../src/api/errors.js';
import { encodeFrame, type Frame, FrameParser, MAX_PAYLOAD } from '../../src/api/framing.js';
import { hex } from '../support/raw-client.js';

const test = suite('api framing');

/** Two requests without and with payload, one of them as recorded, and a third. */
const STREAM = hex(`02000000 0100c0c0 00000000
  03000000 0300dcac 12000000 0200 ${'00'.repeat(16)}
  ffffffff 00000000 01000000 aa
  04000000 0200c0c0 00000000`);
const FRAMES = [
  [2, 0xc0c00001, ''],
  [3, 0xacdc0003, `0200${'00'.repeat(16)}`],
  [0xffffffff, 0, 'aa'],
  [4, 0xc0c00002, ''],
];

function parse(chunks: readonly Buffer[]): unknown[] {
  const parser = new FrameParser();
  const frames = chunks.flatMap((chunk) => Array.from(parser.push(chunk)));
  assert.not(parser.isWithinFrame);
  return frames.map(({ id, kind, payload }: Frame) => [id, kind, payload.toString('hex')]);
}

test('many messages in one chunk are told apart', () => {
  assert.equal(parse([STREAM]), FRAMES);
});

test('messages may be split at any byte', () => {
  for (let at = 0; at <= STREAM.length; at++)
    assert.equal(parse([STREAM.subarray(0, at), STREAM.subarray(at)]), FRAMES, `at ${at}`);
});

test('messages may be split at any two bytes', () => {
  for (let first = 0; first <= STREAM.length; first++)
    for (let second = first; second <= STREAM.length; second++) {
      const pieces = [
        STREAM.subarray(0, first),
        STREAM.subarray(first, second),
        STREAM.subarray(second),
      ];
      assert.equal(parse(pieces), FRAMES, `at ${first} and ${second}`);
    }
});

test('messages may come byte by byte', () => {
  assert.equal(parse(Array.from(STREAM, (byte) => Buffer.of(byte))), FRAMES);
});

test('a payload held on to is not overwritten by later messages', () => {
  const parser = new FrameParser();
  const held = [];
  for (const byte of hex('01000000 02000000 02000000 abcd 01000000 02000000 02000000 1234'))
    held.push(...parser.push(Buffer.of(byte)));
  assert.equal(
    held.map(({ payload }) => payload.toString('hex')),
    ['abcd', '1234'],
  );
});

test('an unfinished message is known as such', () => {
  const parser = new FrameParser();
  assert.equal(Array.from(parser.push(STREAM.subarray(0, 12))).length, 1);
  assert.not(parser.isWithinFrame);
  Array.from(parser.push(STREAM.subarray(12, 20)));
  assert.ok(parser.isWithinFrame);
});

for (const pieceSize of [1, 12, 100_000]) {
  test(`the largest payload passes in pieces of ${pieceSize}`, () => {
    const payload = Buffer.alloc(MAX_PAYLOAD);
    for (let at = 0; at < MAX_PAYLOAD; at++) payload.writeUInt8(at % 251, at);
    const frame = encodeFrame(7, 8, payload);
    const parser = new FrameParser();
    const frames = [];
    for (let at = 0; at < frame.length; at += pieceSize)
      frames.push(...parser.push(frame.subarray(at, at + pieceSize)));
    assert.is(frames.length, 1);
    assert.ok(frames[0]?.payload.equals(payload));
  });

  for (const length of [MAX_PAYLOAD + 1, 0xffffffff]) {
    test(`a payload of ${length} is refused in pieces of ${pieceSize}`, () => {
      const header = hex('01000000 02000000 00000000');
      header.writeUInt32LE(length, 8);
      const parser = new FrameParser();
      const push = () => {
        for (let at = 0; at < header.length; at += pieceSize)
          Array.from(parser.push(header.subarray(at, at + pieceSize)));
      };
      assert.throws(push, (error: unknown) => {
        return error instanceof ControlError && error.code === 'EMSGSIZE';
      });
    });
  }
}

test('frames before an oversized one are handed out', () => {
  const parser = new FrameParser();
  const frames = [];
  const chunk = Buffer.concat([STREAM, hex('01000000 02000000 ffffffff')]);
  assert.throws(() => {
    for (const frame of parser.push(chunk)) frames.push(frame);
  }, /4294967295/);
  assert.is(frames.length, FRAMES.length);
});

test('a frame is its header, little-endian, and its payload', () => {
  const frame = encodeFrame(0x01020304, 0xc0c00001, hex('aabb'));
  assert.is(frame.toString('hex'), hex('04030201 0100c0c0 02000000 aabb').toString('hex'));
  assert.throws(() => encodeFrame(1, 0, Buffer.alloc(MAX_PAYLOAD + 1)), /exceeds/);
});

test.run();
