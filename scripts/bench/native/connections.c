// TCP connections that say nothing: accepted, closed by the server, then by the client.
//
//   connections serve PORT              prints "ready"; ends when its standard input does
//   connections open ADDRESS PORT MS    keeps some open for so long; prints {"closed", "failed", "ms"}
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64, BACKLOG = 1024 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in end_of(const char *address, int port) {
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &end.sin_addr) != 1) fail(address);
  return end;
}

static void serve(int port) {
  struct sockaddr_in end = end_of("0.0.0.0", port);
  int yes = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&end, sizeof end) < 0 || listen(fd, BACKLOG) < 0) fail("listen");
  puts("ready");
  fflush(stdout);
  struct pollfd ready[] = {{fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (poll(ready, 2, -1) > 0 && ready[1].revents == 0)
    for (int conn; (conn = accept(fd, NULL, NULL)) >= 0;) close(conn);
}

static void begin(int epoll, const struct sockaddr_in *end) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
  if (fd < 0) fail("socket");
  if (connect(fd, (const struct sockaddr *)end, sizeof *end) < 0 && errno != EINPROGRESS)
    fail("connect");
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void keep_opening(const struct sockaddr_in *end, int ms) {
  struct epoll_event events[AT_ONCE];
  int epoll = epoll_create1(0);
  int64_t start = now_ns();
  unsigned closed = 0, failed = 0;
  for (int n = 0; n < AT_ONCE; n++) begin(epoll, end);
  while (now_ns() - start < ms * 1000000LL) {
    int count = epoll_wait(epoll, events, AT_ONCE, 100);
    for (int n = 0; n < count; n++) {
      char byte;
      // The server's FIN ends the stream; anything else is a failure.
      if (read(events[n].data.fd, &byte, 1) == 0) closed++;
      else failed++;
      close(events[n].data.fd);
      begin(epoll, end);
    }
  }
  printf("{\"closed\":%u,\"failed\":%u,\"ms\":%.3f}\n", closed, failed, (now_ns() - start) / 1e6);
}

int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "serve") == 0) serve(atoi(words[2]));
  else if (count == 5 && strcmp(words[1], "open") == 0) {
    struct sockaddr_in end = end_of(words[2], atoi(words[3]));
    keep_opening(&end, atoi(words[4]));
  } else
    return 2;
}
