// The one description of the shared memory and of every number that both sides speak of: offsets,
// sizes, states, verdicts, reasons. Compiled by asc (datapath) and by tsc (control plane), so it
// stays in their common subset: `export const NAME = integer expression;`, no types, no imports.
//
//   0x0000_0000  asc's static data, immutable: every instantiation writes it again
//   CTL_BASE     control page: clock, epoch, published pointers, limits, time-outs
//   READERS_BASE one 128-byte line per worker: the QSBR epoch it saw last
//   CTX_BASE     one page per worker: stop flag, clock, poll set, devices held
//   COUNTERS_BASE one block per worker: plain stores by that worker, sums may lag
//   INVALID_BASE one ring per worker: what the TCP tracker refused lately
//   SCRATCH_BASE control plane only: lists of slots, exported conns, filters
//   TRAN_*       tran id pools: a bitmap of 65536 ids per (replacement address, protocol)
//   RINGS_BASE   per worker: packet slots, then their descriptors
//   URING_BASE   per worker, twice: an io_uring's rings, submissions and lists of buffers
//   TABLES_BASE  two halves, each one immutable snapshot of interfaces, routes and policies
//   INDEX_BASE   two halves, each one conn index; a migration copies from one to the other
//   POOL_BASE    conn slots up to the daemon's ceiling; memory ends with the last of them
//
// All bases are constants, so that an access is one instruction. Untouched pages cost nothing.

/** Raised with every change here; the module exports its own and the host refuses another. */
export const LAYOUT_VERSION = 5;
export const PAGE_SIZE = 65536;

// --- Limits -------------------------------------------------------------------------------------

export const MAX_WORKERS = 32;
/** Interface ids are 1..MAX_IFACES-1; id 1 is the vrf `main`, 0 means none. */
export const MAX_IFACES = 64;
export const MAX_BURST = 64;
export const MAX_POLICIES = 1024;
export const MAX_TRAN_POOLS = 4096;
/** Highest ceiling (`--max-conntracks`): slots are 1..ceiling, slot 0 is never used. */
export const MAX_CONNTRACKS = 16777216;
/** Slots beyond the ceiling, for conns that were dropped early and wait for their grace period. */
export const SPARE_SLOTS = 4096;

// --- Control page -------------------------------------------------------------------------------

export const CTL_BASE = 65536;
export const CTL_MAGIC = CTL_BASE;
export const CTL_VERSION = CTL_BASE + 4;
export const MAGIC = 0x74756f72;
/** u64, starts at 1: the current QSBR epoch. Written by the control plane only. */
export const CTL_EPOCH = CTL_BASE + 128;
/** u32 pointers, published with seq-cst stores, loaded once per burst. */
export const CTL_DESCRIPTOR = CTL_BASE + 256;
export const CTL_SNAPSHOT = CTL_BASE + 260;
/** u32: TCP_WINDOW_*: whether the window test judges segments; and 0/1: mid-stream pick-up. */
export const CTL_TCP_WINDOW = CTL_BASE + 264;
export const CTL_TCP_LOOSE = CTL_BASE + 268;
/** u32: how many conns may be in use; and how many slots exist (the ceiling). */
export const CTL_POOL_MAX = CTL_BASE + 272;
export const CTL_POOL_CEILING = CTL_BASE + 276;
/** u32: slots that exist: the ceiling and the spare ones, never more than MAX_CONNTRACKS. */
export const CTL_POOL_SLOTS = CTL_BASE + 280;
/** u32 0/1: whether workers may drop unreplied conns when the table is full. */
export const CTL_EARLY_DROP = CTL_BASE + 284;
/** u32 ns: how long a worker that found nothing to do looks again before it sleeps. */
export const CTL_SPIN_NS = CTL_BASE + 288;
/** u64 {tag << 32 | slot}: head of the stack of freed slots; the tag defeats ABA. */
export const CTL_POOL_FREE = CTL_BASE + 384;
/** u32: the next slot that was never used. */
export const CTL_POOL_NEXT = CTL_BASE + 512;
/** u32: slots in use, counted from allocation until reclaimed. */
export const CTL_POOL_USED = CTL_BASE + 640;
/** u64 ns: theoretical arrival time of the next ICMP error (token bucket shared by all workers). */
export const CTL_ICMP_TAT = CTL_BASE + 768;
/** u32: the latest conn that was dropped early, linked to the others by NEXT; how many wait. */
export const CTL_RETIRED = CTL_BASE + 896;
export const CTL_RETIRED_COUNT = CTL_BASE + 900;
/** u32: where the next search for a conn to drop early begins. */
export const CTL_DROP_HAND = CTL_BASE + 904;
/** i64 ns per state: row 0 for TCP, row 1 for UDP and ICMP; read by the ageing scan. */
export const CTL_TIMEOUTS = CTL_BASE + 1024;
export const TIMEOUTS_ROW = 128;
/** Index descriptors {mode, current header, next header: u32}; immutable once published. */
export const CTL_DESCRIPTORS = CTL_BASE + 2048;
export const DESCRIPTOR_SIZE = 64;
export const DESCRIPTOR_COUNT = 8;
export const DESC_MODE = 0;
export const DESC_CURRENT = 4;
export const DESC_NEXT = 8;
/** Index headers, one per half of the index region. */
export const CTL_INDEX_HEADERS = CTL_BASE + 4096;
export const INDEX_HEADER_SIZE = 128;
export const INDEX_BUCKETS = 0;
export const INDEX_BUCKET_COUNT = 4;
/** Five u64 of the multilinear hash, random per index. */
export const INDEX_SECRET = 8;

export const TCP_WINDOW_OFF = 0;
export const TCP_WINDOW_LIBERAL = 1;
export const TCP_WINDOW_STRICT = 2;

// --- QSBR readers -------------------------------------------------------------------------------

export const READERS_BASE = CTL_BASE + PAGE_SIZE;
export const READER_SIZE = 128;
/** u64: the last epoch this reader saw; READER_OFFLINE while it holds nothing. */
export const READER_EPOCH = 0;
export const READER_OFFLINE = 0;

// --- Worker contexts ----------------------------------------------------------------------------

export const CTX_BASE = READERS_BASE + PAGE_SIZE;
export const CTX_SIZE = 4096;
/** u32, set by the control plane: leave the loop. */
export const CTX_STOP = 0;
/** i32: the eventfd that wakes this worker's poll. */
export const CTX_EVENT_FD = 4;
/** i64 ns, CLOCK_MONOTONIC_RAW: the time of the present burst. */
export const CTX_NOW = 8;
/** struct timespec the clock call fills; u64 the eventfd read fills. */
export const CTX_TIMESPEC = 16;
export const CTX_EVENT_COUNT = 32;
/** u32: keeps the results of cache-touching loads alive. */
export const CTX_SINK = 40;
/** u32: packets of the burst being decided, 0 between bursts: for the record of a crash. */
export const CTX_BURST = 44;
/** u32, set by the control plane after a publish: devices may be new, marks of dead ones are void. */
export const CTX_WOKEN = 48;
/** i64: where shared memory lies in the process; written before the worker starts. */
export const CTX_ADDRESS = 56;
/** struct pollfd {i32 fd, u16 events, u16 revents} x (MAX_IFACES + 1). */
export const CTX_POLL = 64;
/** u32 per interface id: a read failed for good (the device is gone); told to the control plane. */
export const CTX_DEAD = 1024;
/** u32 per interface id: serial of the device that an io_uring may read, 0 for none; told likewise. */
export const CTX_HELD = 1280;
/** u32 address of the worker's io_uring, in URING_BASE, 0 while it has none; and of its last one. */
export const CTX_URING = 1536;
export const CTX_URING_LAST = 1540;

// --- Counters (u64 each, per worker) --------------------------------------------------------------

export const COUNTERS_BASE = CTX_BASE + MAX_WORKERS * CTX_SIZE;
export const COUNTERS_SIZE = 8192;
/** COUNTERS + 8 * (a COUNT_* or reason number). Reasons are below 128, counts above. */
export const COUNT_FORWARDED = 128;
export const COUNT_LOCAL = 129;
export const COUNT_BURSTS = 130;
export const COUNT_CONNS_CREATED = 131;
export const COUNT_ICMP_SENT = 132;
export const COUNT_ICMP_LIMITED = 133;
export const COUNT_CONNS_DROPPED_EARLY = 134;
export const COUNT_END = 135;
/** Then per interface: rx packets, rx bytes, rx drops, tx packets, tx bytes, tx errors. */
export const COUNTERS_IFACES = 4096;
export const IFACE_COUNTERS_SIZE = 64;
export const IFACE_RX_PACKETS = 0;
export const IFACE_RX_BYTES = 8;
export const IFACE_RX_DROPS = 16;
export const IFACE_TX_PACKETS = 24;
export const IFACE_TX_BYTES = 32;
export const IFACE_TX_ERRORS = 40;

// --- Invalid packets: the latest that the TCP tracker refused, per worker -------------------------

export const INVALID_BASE = COUNTERS_BASE + MAX_WORKERS * COUNTERS_SIZE;
/** Records that a worker keeps; the next one overwrites the oldest. */
export const INVALID_KEPT = 256;
/** u64 at the start of a worker's ring: how many records it has published. */
export const INVALID_PUBLISHED = 0;
export const INVALID_RECORDS = 128;
export const INVALID_SIZE = 128;
export const INVALID_RING_SIZE = INVALID_RECORDS + INVALID_KEPT * INVALID_SIZE;
/** u64: the record's number in its ring from 1 on, 0 while it is being written. */
export const INVALID_NUMBER = 0;
/** i64 ns: the time of its burst. */
export const INVALID_TIME = 8;
/** u32 as the API numbers conns, 0 for none. */
export const INVALID_CONN_ID = 16;
/** u16: the interface that it came through. */
export const INVALID_IFACE = 20;
/** u8 reason, with TCP_TOLERATED when it was forwarded all the same. */
export const INVALID_REASON = 22;
export const INVALID_FLOW = 23;
/** u8: the conn's state, which the packet has not changed. */
export const INVALID_STATE = 24;
/** u8 flags, u16 window, as in the TCP header but in host order. */
export const INVALID_FLAGS = 25;
export const INVALID_WINDOW = 26;
/** As they lie in the packet, before any translation. */
export const INVALID_SRC_BE = 28;
export const INVALID_DST_BE = 32;
export const INVALID_PORTS_BE = 36;
export const INVALID_SEQ = 40;
export const INVALID_ACK = 44;
/** u16 bytes of the TCP header as it says itself; of the whole segment as the IPv4 header says. */
export const INVALID_HEADER_BYTES = 48;
export const INVALID_SEGMENT_BYTES = 50;
/** u32: the highest of the ack and of the right edges of SACK blocks that count. */
export const INVALID_SACK = 52;
/** u32: how far below its peer's end an ack of this side may lie. */
export const INVALID_ACK_SLACK = 56;
/** The side that sent it and its peer, as they were judged by; all zero when no conn was asked. */
export const INVALID_OWN = 60;
export const INVALID_PEER = 84;
/** Each: u32 END, MAXEND, MAXACK, ISN_FIN, MAXWIN and u16 FLAGS as in a conn. */
export const INVALID_SIDE_END = 0;
export const INVALID_SIDE_MAXEND = 4;
export const INVALID_SIDE_MAXACK = 8;
export const INVALID_SIDE_ISN_FIN = 12;
export const INVALID_SIDE_MAXWIN = 16;
export const INVALID_SIDE_FLAGS = 20;
export const INVALID_SIDE_SIZE = 24;

// --- Scratch of the control plane ---------------------------------------------------------------

export const SCRATCH_BASE = INVALID_BASE + MAX_WORKERS * INVALID_RING_SIZE;
export const SCRATCH_SIZE = 4194304;
/** Arguments too many or too wide for a call: i64 now; the filter of a removal; a cursor. */
export const SCRATCH_NOW = SCRATCH_BASE;
export const SCRATCH_FILTER_IFACE = SCRATCH_BASE + 8;
export const SCRATCH_FILTER_POLICY = SCRATCH_BASE + 12;
/** u32 as it lies in a packet (network order); 0 in any filter field matches all. */
export const SCRATCH_FILTER_ADDR_BE = SCRATCH_BASE + 16;
export const SCRATCH_CURSOR = SCRATCH_BASE + 20;
/** u32, 16 bits of fraction: the share of every time-out that the ageing scan leaves out. */
export const SCRATCH_SHRINK = SCRATCH_BASE + 24;
/** Lists of slots, or exported conns, from here on. */
export const SCRATCH_LIST = SCRATCH_BASE + 4096;
export const SCRATCH_LIST_SIZE = SCRATCH_SIZE - 4096;

/** An exported conn is the API's conntrack entry (48 bytes, its padding zero). */
export const EXPORT_SIZE = 48;

// --- Tran id pools ------------------------------------------------------------------------------

/** Header {u32 used, u32 lowest id}; the bitmap has one bit per id, set while taken. */
export const TRAN_HEADERS_BASE = SCRATCH_BASE + SCRATCH_SIZE;
export const TRAN_HEADER_SIZE = 64;
export const TRAN_USED = 0;
export const TRAN_LOWEST = 4;
export const TRAN_BITMAPS_BASE = TRAN_HEADERS_BASE + MAX_TRAN_POOLS * TRAN_HEADER_SIZE;
export const TRAN_BITMAP_SIZE = 8192;
/** Well-known ports are never handed out; ICMP identifiers start at 1. RFC 6056 section 3.2. */
export const TRAN_LOWEST_PORT = 1024;
export const TRAN_LOWEST_ICMP_ID = 1;

// --- Rings --------------------------------------------------------------------------------------

/** 68 KiB: room for a virtio-net header and the largest segment that offload can hand over. */
export const SLOT_SIZE = 69632;
/** virtio_net_hdr (10 bytes) at VNET, the IPv4 header right behind it, 16-aligned, at PACKET. */
export const SLOT_VNET = 6;
export const SLOT_PACKET = 16;
export const VNET_SIZE = 10;
export const MAX_PACKET = 65535;
/** Slots of a worker: with io_uring, one burst is being written while the next is being read. */
export const SLOT_COUNT = 128;
export const PKTS_OFFSET = SLOT_COUNT * SLOT_SIZE;
export const RING_SIZE = PKTS_OFFSET + PAGE_SIZE;
export const RINGS_BASE =
  (TRAN_BITMAPS_BASE + MAX_TRAN_POOLS * TRAN_BITMAP_SIZE + 0xffff) & ~0xffff;

/** Descriptor of one packet of a burst. Filled by the reader of the device: IN_IFACE and LEN. */
export const PKT_SIZE = 64;
/** u32 bytes of IPv4 packet as read (the virtio-net header not counted); after: bytes to send. */
export const PKT_LEN = 0;
export const PKT_IN_IFACE = 4;
export const PKT_OUT_IFACE = 6;
export const PKT_VERDICT = 8;
export const PKT_REASON = 9;
/** u8 PATH_*: what classification decided the packet needs. */
export const PKT_PATH = 10;
export const PKT_PROTO = 11;
/** u16 bytes from the IPv4 header to the transport header. */
export const PKT_L4 = 12;
/** u32 entry found (slot << 1 | flow), 0 for none. */
export const PKT_ENTRY = 16;
/** u32 hash of the key; u32 address of the snat policy, of the route. */
export const PKT_HASH = 20;
export const PKT_POLICY = 24;
export const PKT_ROUTE = 28;
/** The key to look up, KEY_SIZE bytes. */
export const PKT_KEY = 32;
/** u32 addresses that the lookup's passes hand on: the key's home bucket, the candidate's conn. */
export const PKT_BUCKET = 48;
export const PKT_CONN = 52;

export const VERDICT_DROP = 0;
/** Send the slot's packet through OUT_IFACE. */
export const VERDICT_FORWARD = 1;
/** The slot now holds the gateway's own answer: send it through OUT_IFACE. */
export const VERDICT_LOCAL = 2;

export const PATH_NONE = 0;
/** Routed as it is. */
export const PATH_ROUTE = 1;
/** Leaves an interface whose policy translates its source. */
export const PATH_FWD = 2;
/** Arrived for an address that policies translate to: belongs to a conn or to the gateway. */
export const PATH_REV = 3;
/** Addressed to the gateway itself. */
export const PATH_LOCAL = 4;
/** An ICMP error that may be about a conn: what it quotes decides. */
export const PATH_ICMP_ERROR = 5;

/** virtio_net_hdr, linux/virtio_net.h. */
export const VNET_FLAGS = 0;
export const VNET_GSO_TYPE = 1;
export const VNET_HDR_LEN = 2;
export const VNET_GSO_LEN = 4;
export const VNET_CSUM_START = 6;
export const VNET_CSUM_OFFSET = 8;
export const VNET_F_NEEDS_CSUM = 1;

// --- io_uring: src/tun/uring.ts opens it, assembly/io/uring.ts drives it -------------------------

export const URING_BASE = RINGS_BASE + MAX_WORKERS * RING_SIZE;
/**
 * A worker that takes another's place uses the other generation: the kernel closes a ring in its own
 * time, and may still write to the old one.
 */
export const URING_GENERATIONS = 2;
/** i32 descriptor of the ring; u32 addresses of the kernel's words and arrays, and their masks. */
export const URING_FD = 0;
export const URING_SQ_HEAD = 4;
export const URING_SQ_TAIL = 8;
export const URING_SQ_FLAGS = 12;
export const URING_CQ_HEAD = 16;
export const URING_CQ_TAIL = 20;
export const URING_CQES = 24;
/** u32: submissions queued so far, and those whose slots were freed: counters that wrap. */
export const URING_QUEUED = 28;
export const URING_FREED = 32;
/** u32 count of ports, and their interface ids, one byte each. */
export const URING_PORT_COUNT = 36;
export const URING_PORT_IDS = 40;
/** u8 SLOT_*: what becomes of each slot. */
export const URING_SLOTS = 128;
/** Records of the ports, by interface id. */
export const URING_PORTS = 256;
/** struct io_uring_params; struct io_uring_buf_reg. */
export const URING_PARAMS = 3072;
export const URING_BUF_REG = 3328;
/** The kernel's head and tail words and completions; the submissions. Powers of two. */
export const URING_RINGS = 4096;
export const URING_CQ_ENTRIES = 1024;
export const URING_SQES = URING_RINGS + 20480;
export const URING_SQ_ENTRIES = 512;
export const URING_SQE_SIZE = 64;
/** One list of buffers per interface id, each on a page of its own as the kernel demands. */
export const URING_LISTS = URING_SQES + URING_SQ_ENTRIES * URING_SQE_SIZE;
export const URING_LIST_SIZE = 4096;
export const URING_LIST_ENTRIES = 64;
export const URING_SIZE = URING_LISTS + MAX_IFACES * URING_LIST_SIZE;

export const SLOT_FREE = 0;
/** The kernel may fill it. */
export const SLOT_LENT = 1;
/** It holds a packet that is to be decided, or written. */
export const SLOT_BUSY = 2;

/** Port: u32 serial of its device, 0 for no port; i32 descriptor of its queue. */
export const PORT_SIZE = 32;
export const PORT_SERIAL = 0;
export const PORT_FD = 4;
/** u16: the first of its slots, how many, and which of them is lent next. */
export const PORT_FIRST = 8;
export const PORT_SLOTS = 10;
export const PORT_NEXT = 12;
/** u16: how many slots the kernel has; tail of their list. */
export const PORT_LENT = 14;
export const PORT_TAIL = 16;
/** u8 PORT_*: whether a read is under way. */
export const PORT_STATE = 18;
/** u8 0/1: the latest write to the device failed. */
export const PORT_SUSPECT = 19;
/** u32: moving average of the bytes of a packet. */
export const PORT_BYTES = 20;
/** u16: slots in a row with packets that wait for their burst: the first, and how many. */
export const PORT_RUN = 24;
export const PORT_RUN_LENGTH = 26;

export const PORT_IDLE = 0;
export const PORT_ARMED = 1;
export const PORT_CANCELLED = 2;
/** Reads fail for good. */
export const PORT_DEAD = 3;

// --- Tables: one snapshot per half ----------------------------------------------------------------

export const TABLES_BASE = URING_BASE + MAX_WORKERS * URING_GENERATIONS * URING_SIZE;
export const TABLES_HALF = 33554432;
/** u32 count of ports (interfaces with a device), then their ids, one byte each. */
export const SNAP_PORT_COUNT = 0;
export const SNAP_PORTS = 4;
/** Number of interfaces and routes, for the record. */
export const SNAP_ROUTE_COUNT = 80;
export const SNAP_POLICY_COUNT = 84;
/** u32 absolute addresses of the trie's nodes and of the route records. */
export const SNAP_NODES = 88;
export const SNAP_ROUTES = 92;
/** Interface records by id. */
export const SNAP_IFACES = 128;
export const IFACE_SIZE = 32;
export const IFACE_FLAGS = 0;
export const IFACE_MTU = 4;
/** Its first address in network order, the source of ICMP errors; 0 for none. */
export const IFACE_ADDR_BE = 8;
/** Range in SNAP_POLICIES of the policies it carries, longest prefix first. */
export const IFACE_POLICY_START = 12;
export const IFACE_POLICY_COUNT = 16;
/** u32, another for each device that is opened: tells it from a former one of the same id. */
export const IFACE_SERIAL = 20;
export const IFACE_F_UP = 1;
export const IFACE_F_NAT = 2;
/** i32 descriptor per (worker, interface id), -1 for none. */
export const SNAP_QUEUES = SNAP_IFACES + MAX_IFACES * IFACE_SIZE;
export const QUEUES_ROW = MAX_IFACES * 4;
/** Policy records: network, mask (host order), replacement (network order), id, tran pools. */
export const SNAP_POLICIES = SNAP_QUEUES + MAX_WORKERS * QUEUES_ROW;
export const POLICY_SIZE = 32;
export const POLICY_NET = 0;
export const POLICY_MASK = 4;
export const POLICY_REPLACE_BE = 8;
export const POLICY_ID = 12;
export const POLICY_POOL_TCP = 16;
export const POLICY_POOL_UDP = 18;
export const POLICY_POOL_ICMP = 20;
/** Trie over the destination, 16-8-8 bits. An entry is a route number, or a node with TRIE_NODE. */
export const SNAP_ROOT = PAGE_SIZE;
export const TRIE_ROOT_SIZE = 262144;
export const TRIE_NODE_SIZE = 1024;
export const TRIE_NODE = 0x40000000;
/** Nodes, then routes, start here. Route number 0 means no route. */
export const SNAP_DYNAMIC = SNAP_ROOT + TRIE_ROOT_SIZE;
export const ROUTE_SIZE = 16;
export const ROUTE_FLAGS = 0;
export const ROUTE_IFACE = 4;
/** One of the gateway's own addresses. */
export const ROUTE_F_LOCAL = 1;
/** An address that policies translate to. */
export const ROUTE_F_NAT = 2;
/** A subnet's broadcast address: never forwarded. RFC 2644. */
export const ROUTE_F_BROADCAST = 4;

// --- Conn index ---------------------------------------------------------------------------------

export const INDEX_BASE = 0x19000000;
export const INDEX_HALF = 0x13000000;
/** Bucket: 12 tags, overflow count, lock (owner's number), 12 entries of slot << 1 | flow. */
export const BUCKET_SIZE = 64;
export const BUCKET_WAYS = 12;
export const BUCKET_OVERFLOW = 12;
export const BUCKET_LOCK = 14;
export const BUCKET_ENTRIES = 16;
/** Buckets an insert may pass before it is refused. */
export const INDEX_MAX_PROBE = 32;
/** Owner of a lock: a worker's number + 1, or this for the control plane. */
export const OWNER_CONTROL = 255;

/** Workers use one index; from DELETE_BOTH on deletes go to two, from INSERT_BOTH on inserts. */
export const MODE_NORMAL = 0;
export const MODE_DELETE_BOTH = 1;
export const MODE_INSERT_BOTH = 2;
/** Readers use `next`; writers still both. */
export const MODE_READ_NEXT = 3;

// --- Conn pool ----------------------------------------------------------------------------------

export const POOL_BASE = 0x40000000;
export const CONN_SIZE = 128;

/** Key: iface u16, af u8, proto u8, src, dst, src id, dst id (as they lie in a packet). */
export const KEY_SIZE = 16;
export const KEY_IFACE = 0;
export const KEY_AF = 2;
export const KEY_PROTO = 3;
export const KEY_SRC = 4;
export const KEY_DST = 8;
export const KEY_SRC_ID = 12;
export const KEY_DST_ID = 14;
export const AF_INET = 2;

export const FLOW_FWD = 0;
export const FLOW_REV = 1;

/** Line 0: what every packet reads. Keys are immutable until a grace period after removal. */
export const CONN_KEYS = 0;
/** i64 ns, a plain store: it only informs the ageing scan. */
export const CONN_LAST_UPDATE = 32;
/** u32 owner of the conn's lock, 0 for free: the TCP transaction runs under it. */
export const CONN_LOCK = 40;
export const CONN_STATE = 44;
export const CONN_LIFE = 45;
export const CONN_FLAGS = 46;
/** u8: owner's number while the slot is being filled. */
export const CONN_OWNER = 47;
/** u32 id of the policy that made it; links free slots while it is not in use. */
export const CONN_POLICY = 48;
export const CONN_NEXT = 48;
/** u16 tran id pool its outside id comes from. */
export const CONN_TRAN_POOL = 52;
/** No tran id is to be given back with this conn. */
export const TRAN_POOL_NONE = 0xffff;
/** u8, counted up at each reclaim: makes ids of a slot's successive conns differ. */
export const CONN_GENERATION = 54;
/** Annotated SYN (a fwd SYN in mid-connection): scale and flags, window, length, sequence. */
export const CONN_NOTE_OPTS = 55;
/** Bit of NOTE_OPTS: there is an annotation. Its others are those of TCP_FLAGS. */
export const CONN_NOTE_VALID = 128;
export const CONN_NOTE_WIN = 56;
export const CONN_NOTE_LEN = 58;
export const CONN_NOTE_SEQ = 60;

/** Line 1: the two TCP sides, each field as {fwd, rev}. Bytes 108..127 are free. */
export const TCP_END = 64;
export const TCP_MAXEND = 72;
export const TCP_MAXACK = 80;
/** Initial sequence number until a FIN was seen, then the end of that FIN. */
export const TCP_ISN_FIN = 88;
export const TCP_MAXWIN = 96;
/** u16: scale in the low four bits, then TCP_F_*. */
export const TCP_FLAGS = 104;
export const TCP_SIDE_U32 = 4;
export const TCP_SIDE_U16 = 2;
/** The shift of the side's windows, 0..14, used only if both sides offered one. RFC 7323. */
export const TCP_SCALE_MASK = 15;
export const TCP_F_SCALE = 16;
/** Permitted SACK. RFC 2018. */
export const TCP_F_SACK = 32;
/** The side was heard: END, MAXEND and MAXWIN are its own words. */
export const TCP_F_HEARD = 64;
/** The side sent an ack: MAXACK is the highest. */
export const TCP_F_ACKED = 128;
export const TCP_F_SYN_ACK = 256;
/** The side sent a FIN (ISN_FIN is its end), and the peer acked it. */
export const TCP_F_FIN = 512;
export const TCP_F_FIN_ACKED = 1024;
/** The side, not heard yet, answered a SYN with a challenge ACK: MAXACK is that ack. */
export const TCP_F_CHALLENGE = 2048;

export const LIFE_FREE = 0;
/** Allocated, not published; its OWNER field says by whom. */
export const LIFE_FILLING = 1;
export const LIFE_LIVE = 2;
/** Unlinked, or about to be by whoever moved it here; waits for a grace period. */
export const LIFE_DEAD = 3;

/** Conn flag: a rev packet was seen (UDP and ICMP: replied). */
export const CONN_F_REPLIED = 1;
/** Conn flag: TCP picked up in mid-stream, judged liberally for life. */
export const CONN_F_LOOSE = 2;
/** Conn flag: TCP opened from both ends at once. RFC 9293 section 3.5. */
export const CONN_F_SIMOPEN = 4;

// States, as numbered on the API.
export const STATE_CLOSED = 0;
export const STATE_NEW = 1;
export const STATE_SIMSYN_SENT = 2;
export const STATE_SYN_RECV = 3;
export const STATE_ESTABLISHED = 4;
export const STATE_FIN_SENT = 5;
export const STATE_FIN_RECV = 6;
export const STATE_CLOSE_WAIT = 7;
export const STATE_FIN_WAIT = 8;
export const STATE_CLOSING = 9;
export const STATE_LAST_ACK = 10;
export const STATE_TIME_WAIT = 11;
export const STATE_COUNT = 12;

export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;

// --- Reasons: index of the counter, below 128. Their names are in src/host/reasons.ts -------------

export const REASON_NONE = 0;
export const DROP_TOO_SHORT = 1;
export const DROP_NOT_IPV4 = 2;
export const DROP_HEADER_LENGTH = 3;
export const DROP_TOTAL_LENGTH = 4;
export const DROP_HEADER_CHECKSUM = 5;
export const DROP_BAD_SOURCE = 6;
export const DROP_BAD_DESTINATION = 7;
export const DROP_MULTICAST = 8;
export const DROP_BROADCAST = 9;
export const DROP_TTL_EXCEEDED = 10;
export const DROP_NO_ROUTE = 11;
/** Too big with DF: answered with fragmentation needed. */
export const DROP_TOO_BIG = 12;
/** Too big without DF. */
export const DROP_NEEDS_FRAGMENTING = 13;
export const DROP_IFACE_DOWN = 14;
export const DROP_LOCAL_UNSERVED = 15;
/** Arrived for an outside address, and no conn owns it. */
export const DROP_NO_CONN = 16;
export const DROP_NAT_FRAGMENT = 17;
export const DROP_NAT_ICMP_TYPE = 18;
export const DROP_NAT_PROTOCOL = 19;
export const DROP_L4_HEADER = 20;
export const DROP_TABLE_FULL = 21;
export const DROP_INDEX_FULL = 22;
export const DROP_TRAN_IDS_EXHAUSTED = 23;
/** A reply that could not be sent back: no route to the asker. */
export const DROP_LOCAL_NO_ROUTE = 24;
export const DROP_TX_FAILED = 25;
/** An ICMP error whose checksum is wrong. */
export const DROP_ICMP_CHECKSUM = 26;
/** An ICMP error whose quotation cannot be, or was never sent by the one who is told of it. */
export const DROP_ICMP_QUOTE = 27;
/** An ICMP error about what belongs to no conn. */
export const DROP_ICMP_NO_CONN = 28;

/** Lost at a full queue; not written because of anything else counts as DROP_TX_FAILED. */
export const DROP_TX_FULL = 60;

// Replay alone: a packet of the capture that no tracker is asked about. Never counted.

/** Neither end, or both, are inside: it crosses no gateway. */
export const UNTRACKED_NEITHER_INSIDE = 29;
export const UNTRACKED_BOTH_INSIDE = 30;
/** The capture holds too little of it: its headers are not whole. */
export const UNTRACKED_CUT_OFF = 31;

// Reasons of the TCP tracker. An invalid one drops the segment; an ignored one forwards it but
// believes nothing of it. What is tolerated is forwarded too, and counted under the reason for
// which it would have been dropped: TCP_TOLERATED is added to that reason. Hence a segment goes on
// when its reason is 0 or at least TCP_IGNORED_FIRST, and is counted under reason & REASON_MASK.
export const REASON_MASK = 127;
export const TCP_TOLERATED = 128;
export const TCP_REASON_FIRST = 32;
/** Flags that no TCP sends together, a FIN without ACK among them. */
export const TCP_BAD_FLAGS = 32;
/** A data offset below the header's own 20 bytes, or beyond the packet's total length. */
export const TCP_BAD_LENGTH = 33;
/** Belongs to no conn, and may not open one. */
export const TCP_NO_CONN = 34;
/**
 * The first answer in a conn picked up in mid-stream acks what its peer cannot have sent. Reasons
 * from here on are found under the conn's lock.
 */
export const TCP_LOOSE_ACK = 35;
/** Reasons from here on are tolerated in liberal mode. A RST that does not answer the SYN. */
export const TCP_RST_IN_HANDSHAKE = 36;
/** A RST whose sequence number or ack is not in the window. */
export const TCP_RST_OUT_OF_WINDOW = 37;
/** The same, of a conn that is being closed by FINs. */
export const TCP_RST_AFTER_FIN = 38;
/** A SYN from the server that opens nothing. */
export const TCP_SYN_FROM_SERVER = 39;
/** A SYN+ACK from the client, whose SYN nobody answered with a SYN. */
export const TCP_SYN_ACK_UNEXPECTED = 40;
/** A SYN+ACK that does not ack the peer's SYN. */
export const TCP_SYN_ACK_WRONG_ACK = 41;
/** A SYN+ACK whose sequence number is not that of the client's SYN. */
export const TCP_SYN_ACK_WRONG_SEQ = 42;
/** An ACK or FIN before both sides were heard. */
export const TCP_ACK_IN_HANDSHAKE = 43;
/** Starts or ends too far above what the receiver allowed. */
export const TCP_ABOVE_WINDOW = 44;
/** Acks data that the other side never sent. */
export const TCP_ACK_OF_UNSEEN = 45;
export const TCP_INVALID_END = 46;
export const TCP_IGNORED_FIRST = 64;
/** A RST in the window but not at its edge: the endpoint answers it itself. RFC 5961 section 3. */
export const TCP_IGNORED_RST_INEXACT = 64;
/** A RST of what is closed, or in time_wait. RFC 1337. */
export const TCP_IGNORED_RST_AFTER_CLOSE = 65;
/** A SYN from the client inside a live conn: kept as an annotation. RFC 5961 section 4. */
export const TCP_IGNORED_SYN = 66;
/** A SYN+ACK after the handshake. */
export const TCP_IGNORED_SYN_ACK_LATE = 67;
/** An ACK that answers a SYN: the server remembers another conn. RFC 5961 section 4. */
export const TCP_IGNORED_CHALLENGE_ACK = 68;
/** An ACK or FIN of what is closed. */
export const TCP_IGNORED_AFTER_CLOSE = 69;
/** Above the window by no more than the receiver's window. */
export const TCP_IGNORED_ABOVE_WINDOW = 70;
/** Ends below what was acked a window ago: an old retransmission. */
export const TCP_IGNORED_OLD_DATA = 71;
/** Acks less than any delayed ACK would. */
export const TCP_IGNORED_OLD_ACK = 72;
export const TCP_IGNORED_END = 73;
