// The reference of the race: copies packets between two TUN devices and does nothing else, with all
// offloads. What a gateway in C would do before it looks at its first byte, so the limit of the approach.
//
//   copy-loop LEFT RIGHT     prints a line once both devices are there; ends with its standard input
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { BURST = 64, VNET_SIZE = 10, PACKET_SIZE = VNET_SIZE + 65535 };

static int open_tun(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  int header = VNET_SIZE;
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  unsigned base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
      (ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6) < 0 &&
       ioctl(fd, TUNSETOFFLOAD, base) < 0)) {
    perror(name);
    exit(1);
  }
  return fd;
}

// Copies at most a burst; returns how many packets there were.
static int copy(int from, int to) {
  static uint8_t packet[PACKET_SIZE];
  for (int count = 0; count < BURST; count++) {
    ssize_t length = read(from, packet, sizeof packet);
    if (length < 0) return count;
    // A full queue or a device that is down loses the packet, as everywhere.
    if (write(to, packet, length) < 0) continue;
  }
  return BURST;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  int left = open_tun(words[1]), right = open_tun(words[2]);
  struct pollfd ready[] = {{left, POLLIN, 0}, {right, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  puts("ready");
  fflush(stdout);
  while (ready[2].revents == 0) {
    int copied = copy(left, right);
    copied += copy(right, left);
    if (copied == 0) poll(ready, 3, -1);
  }
}
