/* Loaded before the C library: counts what a process changes below one folder, and does something
 * at one of these points: nothing but a signal, an error for so many calls, or a clock that jumps.
 *
 * Everything is off until `chaos_arm` was called. A fork inherits what was armed, and counts anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char root[PATH_MAX], aside[PATH_MAX];
static size_t root_length, aside_length;
static long at, calls, count, everything;
static int number, raised, told = -1;
static long jump_s, shift_s;

static __thread int inside;

/* Count from 0 what happens below `folder`, but not below `without`. At point `point` raise the signal `with` if it is not 0,
 * fail `many` points with the error `error` if it is not 0, and let the clock jump by `jump`. What
 * happens at the point is written to the descriptor `log`. */
void chaos_arm(const char *folder, const char *without, long point, int with, int error, long many, long jump, int log) {
    strncpy(root, folder, sizeof root - 1);
    strncpy(aside, without, sizeof aside - 1);
    root_length = strlen(root);
    aside_length = strlen(aside);
    count = everything = 0;
    at = point;
    raised = with;
    number = error;
    calls = many;
    jump_s = jump;
    told = log;
}

void chaos_shift(long seconds) { shift_s = seconds; }

/* How many points were passed, with those aside or without them. */
long chaos_count(int all) { return all ? everything : count; }

static int starts(const char *path, const char *with, size_t length) {
    return length && strncmp(path, with, length) == 0;
}

/* Whether the call has to fail. */
static int struck(const char *what, const char *path) {
    if (inside || !path || !starts(path, root, root_length)) return 0;
    __atomic_fetch_add(&everything, 1, __ATOMIC_SEQ_CST);
    if (starts(path, aside, aside_length)) return 0;
    long here = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
    if (here == at) {
        if (told >= 0) {
            inside = 1;
            dprintf(told, "%s %s\n", what, path + root_length);
            inside = 0;
        }
        shift_s += jump_s;
        if (raised) kill(getpid(), raised);
    }
    if (number && at >= 0 && here >= at && (calls < 0 || here < at + calls)) {
        errno = number;
        return 1;
    }
    return 0;
}

static int struck_file(const char *what, int file) {
    char name[64], path[PATH_MAX];
    if (!root_length || inside) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return struck(what, path);
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

#define PASS_FILE(name, file, failed, ...) \
    if (struck_file(#name, file)) return failed; \
    static __typeof__(&name) next; \
    if (!next) next = REAL(name); \
    return next(__VA_ARGS__);

#define PASS_PATH(name, path, ...) \
    if (struck(#name, path)) return -1; \
    static __typeof__(&name) next; \
    if (!next) next = REAL(name); \
    return next(__VA_ARGS__);

ssize_t write(int f, const void *b, size_t n) { PASS_FILE(write, f, -1, f, b, n) }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { PASS_FILE(pwrite, f, -1, f, b, n, o) }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { PASS_FILE(pwrite64, f, -1, f, b, n, o) }
ssize_t writev(int f, const struct iovec *v, int n) { PASS_FILE(writev, f, -1, f, v, n) }
int fsync(int f) { PASS_FILE(fsync, f, -1, f) }
int fdatasync(int f) { PASS_FILE(fdatasync, f, -1, f) }
int ftruncate(int f, off_t n) { PASS_FILE(ftruncate, f, -1, f, n) }
int ftruncate64(int f, off64_t n) { PASS_FILE(ftruncate64, f, -1, f, n) }
int posix_fallocate(int f, off_t o, off_t n) { PASS_FILE(posix_fallocate, f, errno, f, o, n) }
int posix_fallocate64(int f, off64_t o, off64_t n) { PASS_FILE(posix_fallocate64, f, errno, f, o, n) }
int rename(const char *from, const char *to) { PASS_PATH(rename, to, from, to) }
int link(const char *from, const char *to) { PASS_PATH(link, to, from, to) }
int unlink(const char *path) { PASS_PATH(unlink, path, path) }
int mkdir(const char *path, mode_t mode) { PASS_PATH(mkdir, path, path, mode) }

/* A point like the others where a file is opened to be written, or is made. */
#define OPENED(name) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    if ((flags & (O_CREAT | O_TRUNC)) && struck(#name, path)) return -1; \
    static __typeof__(&name) next; \
    if (!next) next = REAL(name); \
    return next(path, flags, mode);

int open(const char *path, int flags, ...) { OPENED(open) }
int open64(const char *path, int flags, ...) { OPENED(open64) }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) next;
    if (!next) next = REAL(clock_gettime);
    int result = next(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += shift_s;
    return result;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
