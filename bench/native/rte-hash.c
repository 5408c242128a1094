// DPDK's cuckoo hash with the same keys in it. A found conn's first line is then read, because
// ours holds the key itself: whoever gets a conn from our index has its line already.
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { POOL_BASE = 0x40000000, CONN_SIZE = 128, KEY_SIZE = 16, MAX_BURST = 64 };

static struct rte_hash *table;
// Keeps the loads of conns' lines.
static uint32_t sink;

// Starts DPDK's environment in ordinary memory, without devices; 0, or a negative number.
int rte_start(uint32_t mebibytes) {
  char memory[16], cores[32];
  snprintf(memory, sizeof memory, "%u", mebibytes);
  // The calling thread stays on all cores, as it is for everything else that is measured.
  snprintf(cores, sizeof cores, "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
  char *words[] = {"bench",        "--no-huge", "-m",        memory,
                   "--no-pci",     "--lcores",  cores,  "--no-telemetry",
                   "--no-shconf",  "--log-level", "*:error", NULL};
  int count = sizeof words / sizeof *words - 1;
  return rte_eal_init(count, words) < 0 ? -1 : 0;
}

// Makes the table for `count` keys, in place of the one before; 0, or -1.
int rte_make(uint32_t count) {
  rte_hash_free(table);
  struct rte_hash_parameters parameters = {
      .name = "conns",
      .entries = count,
      .key_len = KEY_SIZE,
      .hash_func = rte_hash_crc,
      .socket_id = 0,
      .extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
  };
  table = rte_hash_create(&parameters);
  return table == NULL ? -1 : 0;
}

// Enters both keys of `count` slots from `slot` on; returns how many keys were refused.
uint32_t rte_enter(uintptr_t memory, uint32_t slot, uint32_t count) {
  uint32_t refused = 0;
  for (uint32_t n = slot; n < slot + count; n++) {
    const uint8_t *conn = (const uint8_t *)memory + POOL_BASE + (uint64_t)n * CONN_SIZE;
    refused += rte_hash_add_key_data(table, conn + KEY_SIZE, (void *)((uintptr_t)n << 1 | 1)) != 0;
    refused += rte_hash_add_key_data(table, conn, (void *)((uintptr_t)n << 1)) != 0;
  }
  return refused;
}

// Deletes both keys of `count` slots and frees their places; returns how many were not there.
uint32_t rte_drop(uintptr_t memory, uint32_t slot, uint32_t count) {
  uint32_t missing = 0;
  for (uint32_t n = slot; n < slot + count; n++) {
    const uint8_t *conn = (const uint8_t *)memory + POOL_BASE + (uint64_t)n * CONN_SIZE;
    for (int flow = 0; flow < 2; flow++) {
      int32_t place = rte_hash_del_key(table, conn + flow * KEY_SIZE);
      if (place < 0 || rte_hash_free_key_with_position(table, place) != 0) missing++;
    }
  }
  return missing;
}

// Returns how many of `count` keys are in the table; reads the line of each one's conn.
uint32_t rte_look_up(uintptr_t memory, uint32_t keys, uint32_t count, uint32_t batch) {
  const uint8_t *base = (const uint8_t *)memory;
  uint32_t found = 0, sum = 0;
  for (uint32_t done = 0; done < count; done += batch) {
    uint32_t size = count - done < batch ? count - done : batch;
    uint8_t copies[MAX_BURST][KEY_SIZE];
    const void *pointers[MAX_BURST];
    void *data[MAX_BURST];
    uint64_t hits = 0;
    memcpy(copies, base + keys + (uint64_t)done * KEY_SIZE, (size_t)size * KEY_SIZE);
    for (uint32_t n = 0; n < size; n++) pointers[n] = copies[n];
    if (size == 1) hits = rte_hash_lookup_data(table, copies[0], &data[0]) >= 0;
    else rte_hash_lookup_bulk_data(table, pointers, size, &hits, data);
    for (uint32_t n = 0; n < size; n++)
      if (hits >> n & 1)
        sum += *(const volatile uint32_t *)(base + POOL_BASE +
                                            ((uint64_t)(uintptr_t)data[n] >> 1) * CONN_SIZE);
    found += (uint32_t)__builtin_popcountll(hits);
  }
  *(volatile uint32_t *)&sink = sum;
  return found;
}
