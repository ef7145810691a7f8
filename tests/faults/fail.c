/* Runs a program and makes the k-th of its calls that touch files under a folder fail.
 *
 *   fail FOLDER K HOW REPORT PROGRAM ARGUMENT...
 *
 * HOW is an errno (5 EIO, 28 ENOSPC, 4 EINTR) or `short`: a write writes, a read reads half of what it was asked
 * for, and only such calls count. With K 0 nothing fails. REPORT gets one line: the number of such calls, and the one that failed. Ends as the
 * program ended. Calls of every thread and of child processes count, however they are made: the kernel hands each
 * to this process first (seccomp user notification, Linux 5.14), so that also calls that bypass libc are seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/* Where a call says which file it means: argument number of a descriptor, or of a path and of its folder. */
static const struct call {
  const char *name;
  int number, fd, path, at;
} calls[] = {
    {"openat", SYS_openat, -1, 1, 0},
    {"read", SYS_read, 0, -1, -1},
    {"pread64", SYS_pread64, 0, -1, -1},
    {"write", SYS_write, 0, -1, -1},
    {"pwrite64", SYS_pwrite64, 0, -1, -1},
    {"writev", SYS_writev, 0, -1, -1},
    {"fsync", SYS_fsync, 0, -1, -1},
    {"fdatasync", SYS_fdatasync, 0, -1, -1},
    {"ftruncate", SYS_ftruncate, 0, -1, -1},
    {"fallocate", SYS_fallocate, 0, -1, -1},
    {"copy_file_range", SYS_copy_file_range, 2, -1, -1},
    {"sendfile", SYS_sendfile, 0, -1, -1},
    {"getdents64", SYS_getdents64, 0, -1, -1},
    {"utimensat", SYS_utimensat, 0, 1, 0},
    {"mkdirat", SYS_mkdirat, -1, 1, 0},
    {"unlinkat", SYS_unlinkat, -1, 1, 0},
    {"linkat", SYS_linkat, -1, 3, 2},
    {"renameat", SYS_renameat, -1, 3, 2},
    {"renameat2", SYS_renameat2, -1, 3, 2},
#ifdef SYS_open
    {"open", SYS_open, -1, 0, -1},
    {"creat", SYS_creat, -1, 0, -1},
    {"mkdir", SYS_mkdir, -1, 0, -1},
    {"rmdir", SYS_rmdir, -1, 0, -1},
    {"unlink", SYS_unlink, -1, 0, -1},
    {"link", SYS_link, -1, 1, -1},
    {"rename", SYS_rename, -1, 1, -1},
#endif
};
enum { CALLS = sizeof calls / sizeof *calls };

static void die(const char *what) {
  perror(what);
  exit(125);
}

/* Filters the calls above to a listener. */
static int listener(void) {
  struct sock_filter code[CALLS + 6];
  int n = 0;
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int c = 0; c < CALLS; c++)
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[c].number, CALLS - c, 0);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  struct sock_fprog program = {(unsigned short)n, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* One descriptor through a socket; `fd` -1 receives. */
static int pass(int socket, int fd) {
  char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec one = {&byte, 1};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  if (fd < 0) {
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message)) return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
  }
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static void link_of(char *out, size_t size, int pid, const char *what) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/%s", pid, what);
  ssize_t n = readlink(name, out, size - 1);
  out[n > 0 ? n : 0] = 0;
}

/* The file that a call means, in full; empty when it cannot be told. */
static void file_of(char out[8192], const struct call *call, const struct seccomp_notif *asked) {
  const __u64 *args = asked->data.args;
  int pid = (int)asked->pid;
  char what[32], path[4096] = "", folder[4096] = "";
  out[0] = 0;
  if (call->path >= 0 && args[call->path]) {
    /* A page at a time: what follows the path may not be mapped. */
    for (size_t n = 0; n < sizeof path - 1 && !memchr(path, 0, n);) {
      size_t step = 4096 - ((args[call->path] + n) & 4095);
      if (step > sizeof path - 1 - n) step = sizeof path - 1 - n;
      struct iovec here = {path + n, step}, there = {(void *)(args[call->path] + n), step};
      if (process_vm_readv(pid, &here, 1, &there, 1, 0) <= 0) break;
      n += step;
    }
  } else if (call->fd >= 0) {
    snprintf(what, sizeof what, "fd/%d", (int)args[call->fd]);
    link_of(out, 4096, pid, what);
    return;
  }
  if (path[0] != '/') {
    if (call->at < 0 || (int)args[call->at] == AT_FDCWD) snprintf(what, sizeof what, "cwd");
    else snprintf(what, sizeof what, "fd/%d", (int)args[call->at]);
    link_of(folder, sizeof folder, pid, what);
  }
  snprintf(out, 8192, "%s%s%s", folder, *folder ? "/" : "", path);
}

static int has_half(const struct seccomp_notif *asked) {
  int n = asked->data.nr;
  return asked->data.args[2] > 1 && (n == SYS_write || n == SYS_pwrite64 || n == SYS_read || n == SYS_pread64);
}

/* Does half of a read or write for the program; what the call returns. */
static long half(const struct seccomp_notif *asked) {
  const __u64 *args = asked->data.args;
  int number = asked->data.nr;
  size_t len = args[2] / 2;
  int is_write = number == SYS_write || number == SYS_pwrite64;
  int is_at = number == SYS_pread64 || number == SYS_pwrite64;
  int pidfd = (int)syscall(SYS_pidfd_open, asked->pid, 0);
  /* Threads have no pidfd of their own everywhere: ask for the process. */
  if (pidfd < 0) {
    char name[64], line[128];
    snprintf(name, sizeof name, "/proc/%d/status", (int)asked->pid);
    FILE *status = fopen(name, "r");
    int group = 0;
    while (status && fgets(line, sizeof line, status)) sscanf(line, "Tgid: %d", &group);
    if (status) fclose(status);
    pidfd = (int)syscall(SYS_pidfd_open, group, 0);
  }
  int fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)args[0], 0); /* the same file position */
  char *bytes = malloc(len);
  struct iovec here = {bytes, len}, there = {(void *)args[1], len};
  long done = -1;
  off_t at = (off_t)args[3];
  if (fd >= 0 && bytes && is_write && process_vm_readv((int)asked->pid, &here, 1, &there, 1, 0) > 0)
    done = is_at ? pwrite(fd, bytes, len, at) : write(fd, bytes, len);
  if (fd >= 0 && bytes && !is_write && (done = is_at ? pread(fd, bytes, len, at) : read(fd, bytes, len)) > 0) {
    here.iov_len = there.iov_len = (size_t)done;
    process_vm_writev((int)asked->pid, &here, 1, &there, 1, 0);
  }
  free(bytes);
  if (fd >= 0) close(fd);
  if (pidfd >= 0) close(pidfd);
  return done;
}

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "fail FOLDER K HOW REPORT PROGRAM ARGUMENT...\n"), 125;
  const char *folder = argv[1], *how = argv[3];
  long wanted = atol(argv[2]), count = 0;
  size_t length = strlen(folder);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) die("socketpair");
  pid_t child = fork();
  if (child == 0) {
    int fd = listener();
    if (fd < 0 || pass(pair[0], fd) < 0) _exit(125);
    close(fd);
    execv(argv[5], argv + 5);
    _exit(126);
  }
  close(pair[0]);
  int fd = pass(pair[1], -1);
  if (fd < 0) return fprintf(stderr, "no seccomp user notification here\n"), 125;
  FILE *report = fopen(argv[4], "w");
  if (!report) die(argv[4]);
  char failed[9000] = "nothing failed", file[8192];
  struct seccomp_notif asked;
  struct pollfd ready = {fd, POLLIN, 0};
  while (poll(&ready, 1, -1) >= 0 || errno == EINTR) {
    if (!(ready.revents & POLLIN)) {
      if (ready.revents) break; /* every process with the filter has gone */
      continue;
    }
    memset(&asked, 0, sizeof asked);
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked)) continue; /* it was killed meanwhile */
    struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    const struct call *call = calls;
    while (call->number != asked.data.nr) call++;
    file_of(file, call, &asked);
    int is_under = strncmp(file, folder, length) == 0 && (file[length] == '/' || file[length] == 0);
    int is_short = strcmp(how, "short") == 0;
    if (is_under && (!is_short || has_half(&asked)) && ++count == wanted) {
      snprintf(failed, sizeof failed, "%s %s", call->name, file);
      long done = is_short ? half(&asked) : 0;
      if (done >= 0) answer.flags = 0, answer.val = done, answer.error = is_short ? 0 : -atoi(how);
    }
    ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* fails when it was killed meanwhile */
  }
  int status = 0;
  waitpid(child, &status, 0);
  fprintf(report, "%ld %s\n", count, failed);
  fclose(report);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
