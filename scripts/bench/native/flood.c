// Numbered datagrams at a given rate, or as many as there is time for, and who counts them.
//
//   flood send ADDRESS PORT BYTES PER_SECOND MS    prints {"sent"}; PER_SECOND 0 is without a limit
//   flood sink PORT MS                             prints "ready", and after MS without a datagram
//                                                  {"received", "late", "ms"}
//
// `late` are those that came behind one with a higher number; `ms` is the time from first to last.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, BYTES_MAX = 2048, BUFFER_BYTES = 8 << 20, PATIENCE_MS = 5000 };
// Between two looks, the sink is not on the socket's list of sleepers: nobody pays for waking it.
enum { NAP_US = 200 };

static uint8_t data[BATCH][BYTES_MAX];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int open_socket(const char *address, int port, int is_sink) {
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(port)};
  int size = BUFFER_BYTES;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || inet_pton(AF_INET, address, &end.sin_addr) != 1) fail(address);
  if (setsockopt(fd, SOL_SOCKET, is_sink ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, &size, sizeof size) < 0)
    fail("buffer size");
  int done = is_sink ? bind(fd, (struct sockaddr *)&end, sizeof end)
                     : connect(fd, (struct sockaddr *)&end, sizeof end);
  if (done < 0) fail(address);
  return fd;
}

static void prepare(int bytes) {
  for (int n = 0; n < BATCH; n++) {
    parts[n] = (struct iovec){data[n], bytes};
    messages[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
  }
}

// What the kernel has no room for is lost, as on any link.
static void send_all(int fd, int count) {
  for (int done = 0; done < count;) {
    int sent = sendmmsg(fd, messages + done, count - done, 0);
    if (sent < 0 && errno != ENOBUFS && errno != ECONNREFUSED) fail("sendmmsg");
    done += sent > 0 ? sent : 1;
  }
}

static void flood(int fd, int bytes, double per_second, int ms) {
  prepare(bytes);
  int64_t start = now_ns(), now = start;
  uint32_t number = 0;
  while (now - start < ms * 1000000LL) {
    // Small groups: a rate below the peak overruns no queue.
    int64_t due = per_second > 0 ? (int64_t)((now - start) / 1e9 * per_second) - number : BATCH;
    int count = due > BATCH ? BATCH : (int)due;
    for (int n = 0; n < count; n++, number++) memcpy(data[n], &number, sizeof number);
    send_all(fd, count);
    now = now_ns();
  }
  printf("{\"sent\":%u}\n", number);
}

static void sink(int fd, int silence_ms) {
  prepare(BYTES_MAX);
  puts("ready");
  fflush(stdout);
  uint64_t received = 0, late = 0;
  uint32_t next = 0, number;
  int64_t first = 0, last = now_ns();
  while (now_ns() - last < (received > 0 ? silence_ms : PATIENCE_MS) * 1000000LL) {
    int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < BATCH) usleep(NAP_US);
    if (count <= 0) continue;
    last = now_ns();
    if (received == 0) first = last;
    received += count;
    for (int n = 0; n < count; n++) {
      memcpy(&number, data[n], sizeof number);
      if (number < next) late++;
      else next = number + 1;
    }
  }
  printf("{\"received\":%llu,\"late\":%llu,\"ms\":%.3f}\n", (unsigned long long)received,
         (unsigned long long)late, (last - first) / 1e6);
}

int main(int count, char **words) {
  if (count == 7 && strcmp(words[1], "send") == 0)
    flood(open_socket(words[2], atoi(words[3]), 0), atoi(words[4]), atof(words[5]), atoi(words[6]));
  else if (count == 4 && strcmp(words[1], "sink") == 0)
    sink(open_socket("0.0.0.0", atoi(words[2]), 1), atoi(words[3]));
  else
    return 2;
}
