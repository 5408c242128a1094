// A system call that is forbidden, as in a container with a seccomp profile (seccomp(2)). There is no
// way back: what is forbidden stays so for the calling thread, for the threads that it starts from then
// on, and for all their children.
import { arch } from 'node:process';
import koffi from 'koffi';

const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x00050000;
const BPF_LD_W_ABS = 0x20;
const BPF_JMP_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
const EPERM = 1;
const IO_URING_SETUP = 425;

/** Has the kernel refuse io_uring_setup(2) with EPERM from here on. */
export function forbidUring(): void {
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`no filter for ${arch}`);
  const libc = koffi.load('libc.so.6');
  const prctl = libc.func('int prctl(int, unsigned long, uintptr_t, unsigned long, unsigned long)');
  // struct sock_filter {u16 code, u8 true, u8 false, u32 k} each: the number of the call is at 0.
  const program = new DataView(new ArrayBuffer(4 * 8));
  for (const [n, [code, isTrue, isFalse, k]] of (
    [
      [BPF_LD_W_ABS, 0, 0, 0],
      [BPF_JMP_JEQ_K, 0, 1, IO_URING_SETUP],
      [BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | EPERM],
      [BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW],
    ] as const
  ).entries()) {
    program.setUint16(n * 8, code, true);
    program.setUint8(n * 8 + 2, isTrue);
    program.setUint8(n * 8 + 3, isFalse);
    program.setUint32(n * 8 + 4, k, true);
  }
  // struct sock_fprog {u16 length, pointer}.
  const filter = new DataView(new ArrayBuffer(16));
  filter.setUint16(0, 4, true);
  filter.setBigUint64(8, koffi.address(program.buffer), true);
  const setUp =
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) === 0 &&
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, koffi.address(filter.buffer), 0, 0) === 0;
  if (!setUp) throw new Error(`no seccomp filter: errno ${koffi.errno()}`);
}
