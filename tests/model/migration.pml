/*
 * The migration of the conn index and the reclaiming of conns, as a model for spin.
 *
 * What it stands for: assembly/conn-index.ts (insert, look up), assembly/index-copy.ts,
 * assembly/conn-removal.ts, src/host/migration.ts and src/host/qsbr.ts. Buckets, tags and overflow
 * are left out: an index here maps each key to a slot, 0 for none, and each key has a lock of its own
 * in each index, that of its home bucket.
 *
 * Properties, all of them assertions or spin's own checks:
 *   - no lookup of a live conn misses: a key that was live before the lookup began, and whose removal
 *     has not begun when it ends, is found;
 *   - a lookup finds the conn of its key and no other;
 *   - no slot is reused while a reader may hold it;
 *   - a key never has two live conns;
 *   - after the migration the index in use has exactly the live conns;
 *   - no deadlock (an invalid end state), and everybody comes to an end.
 *
 * The control plane is one thread: its remover and its migrator take turns, and neither is
 * interrupted by the other within a step (`control` stands for the event loop). Between steps they
 * wait for grace periods. Workers are interrupted anywhere.
 *
 * Mutants, each of which must fail: NO_RECLAIM_GRACE, NO_DELETE_BOTH, NO_INSERT_GRACE,
 * NO_SWITCH_GRACE, EARLY_SWITCH, NO_DUAL_WRITE.
 */

#define WORKERS 2
#ifndef BURSTS
#define BURSTS  2
#endif
#ifndef REMOVALS
#define REMOVALS 1
#endif
#define KEYS    1
#define SLOTS   3   /* slot 0 is never used */

#define NORMAL      0
#define DELETE_BOTH 1
#define INSERT_BOTH 2
#define READ_NEXT   3

#define FREE 0
#define LIVE 1
#define DEAD 2

#define OFFLINE 0

typedef Index {
  byte entry[KEYS];
  byte lock[KEYS];
}

Index index[2];
/* The descriptor: both parts are read at once. */
byte mode = NORMAL;
byte current = 0;

byte life[SLOTS];
byte keyOf[SLOTS];
byte generation[SLOTS];

/* The truth about each key: live, and how often its removal began. */
bool isLive[KEYS];
byte removals[KEYS];

byte epoch = 1;
byte seen[WORKERS];
byte done = 0;

bool control = false;

inline lockKey(ix, k)   { atomic { index[ix].lock[k] == 0 -> index[ix].lock[k] = 1 } }
inline unlockKey(ix, k) { index[ix].lock[k] = 0 }

inline leaveControl() { control = false }

inline grace(ticket) {
  atomic { epoch++; ticket = epoch }
  (seen[0] == OFFLINE || seen[0] >= ticket);
  (seen[1] == OFFLINE || seen[1] >= ticket)
}

inline alloc(s, k) {
  d_step {
    s = 1;
    do
    :: s < SLOTS && life[s] != FREE -> s++
    :: else -> break
    od;
    if
    :: s == SLOTS -> s = 0
    :: else -> life[s] = LIVE; keyOf[s] = k
    fi
  }
}

inline lookUp(k) {
  atomic { wasLive = isLive[k]; removalsBefore = removals[k] }
  found = index[readFrom].entry[k];
  atomic {
    assert(!(wasLive && removals[k] == removalsBefore && found == 0));
    if
    :: found != 0 ->
      assert(life[found] != FREE && keyOf[found] == k);
      held = generation[found]
    :: else
    fi
  }
  /* The burst goes on with what it found. */
  assert(found == 0 || (generation[found] == held && life[found] != FREE))
}

inline insert(k) {
  atomic { m = mode; a = current; b = 1 - current }
  lockKey(a, k);
  if
  :: m >= INSERT_BOTH -> lockKey(b, k)
  :: else
  fi;
  found = index[(m == READ_NEXT -> b : a)].entry[k];
  if
  :: found != 0 -> skip
  :: else ->
    alloc(slot, k);
    if
    :: slot == 0 -> skip
    :: else ->
#ifndef NO_DUAL_WRITE
      if
      :: m >= INSERT_BOTH -> index[b].entry[k] = slot
      :: else
      fi;
#endif
      atomic {
        index[a].entry[k] = slot;
        assert(!isLive[k]);
        isLive[k] = true
      }
    fi
  fi;
  if
  :: m >= INSERT_BOTH -> unlockKey(b, k)
  :: else
  fi;
  unlockKey(a, k)
}

proctype Worker(byte w) {
  byte bursts = 0, readFrom, found, held, slot, removalsBefore, m, a, b, k;
  bool wasLive;
  k = 0;
  do
  :: bursts < BURSTS ->
    bursts++;
    /* Checkpoint; a worker that slept comes online by the same store. */
    seen[w] = epoch;
    atomic { readFrom = (mode == READ_NEXT -> 1 - current : current) }
    if
    :: lookUp(k)
    :: insert(k)
    fi;
    /* Forgotten at the end of the burst, so that equal states are one. */
    atomic { readFrom = 0; found = 0; held = 0; slot = 0; removalsBefore = 0; wasLive = false; m = 0; a = 0; b = 0 }
    if
    :: seen[w] = OFFLINE
    :: skip
    fi
  :: else -> break
  od;
  seen[w] = OFFLINE;
  done++
}

/* Ageing and flush: a removal, then its grace period, then the slot is free again. */
proctype Remover() {
  byte k, s, m, a, ticket, rounds = 0;
  do
  :: rounds < REMOVALS ->
    rounds++;
    atomic { !control -> control = true; m = mode; a = current }
    /* The conns are found by scanning the slots. */
    d_step {
      s = 1;
      do
      :: s < SLOTS && !(life[s] == LIVE && keyOf[s] == k && isLive[k]) -> s++
      :: else -> break
      od
    }
    if
    :: s == SLOTS -> leaveControl()
    :: else ->
      atomic { life[s] = DEAD; isLive[k] = false; removals[k]++ }
      lockKey(a, k);
#ifndef NO_DELETE_BOTH
      if
      :: m != NORMAL ->
        lockKey(1 - a, k);
        if
        :: index[1 - a].entry[k] == s -> index[1 - a].entry[k] = 0
        :: else
        fi;
        unlockKey(1 - a, k)
      :: else
      fi;
#endif
      if
      :: index[a].entry[k] == s -> index[a].entry[k] = 0
      :: else
      fi;
      unlockKey(a, k);
      leaveControl();
#ifndef NO_RECLAIM_GRACE
      grace(ticket);
#endif
      atomic { !control -> life[s] = FREE; generation[s]++; s = 0; ticket = 0; m = 0; a = 0 }
    fi
  :: else -> break
  od;
  done++
}

inline enter(newMode) {
  atomic { !control -> mode = newMode }
}

inline copyKey(k) {
  atomic { !control -> control = true; s = index[current].entry[k] }
  if
  :: s != 0 ->
    lockKey(current, k);
    if
    :: index[current].entry[k] == s ->
      lockKey(1 - current, k);
      if
      :: index[1 - current].entry[k] == 0 -> index[1 - current].entry[k] = s
      :: else
      fi;
      unlockKey(1 - current, k)
    :: else
    fi;
    unlockKey(current, k)
  :: else
  fi;
  leaveControl()
}

proctype Migrator() {
  byte s, ticket;
  enter(DELETE_BOTH);
  grace(ticket);
  enter(INSERT_BOTH);
#ifndef NO_INSERT_GRACE
  grace(ticket);
#endif
#ifdef EARLY_SWITCH
  enter(READ_NEXT);
#endif
  copyKey(0);
#ifndef EARLY_SWITCH
  enter(READ_NEXT);
#endif
#ifndef NO_SWITCH_GRACE
  grace(ticket);
#endif
  atomic { !control -> mode = NORMAL; current = 1 - current }
  grace(ticket);
  /* The old half is wiped for the next migration. */
  index[1 - current].entry[0] = 0;
  done++
}

init {
  atomic {
    /* One conn is there from the start. */
    life[1] = LIVE; keyOf[1] = 0; index[0].entry[0] = 1; isLive[0] = true;
    run Worker(0); run Worker(1); run Remover(); run Migrator()
  }
  done == WORKERS + 2;
  assert((index[current].entry[0] != 0) == isLive[0])
}
