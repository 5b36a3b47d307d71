/* A disk that fails when it is told to: preloaded into a process, it stands before its writes and syncs.
 *
 * fault_arm names the files (full paths, a line each), which calls fail (WRITES, SYNCS, TRUNCATES), how many
 * of them still go well, with which errno the next one fails, whether all after it fail too, and whether the
 * first write to fail puts half of its bytes down before, as a disk does that has just become full.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, TRUNCATES = 4 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char files[8 * PATH_MAX];
static volatile int armed;
static int well, error_number, is_for_good, is_short, fired;

void fault_arm(const char *paths, int calls, int after, int error, int for_good, int halved)
{
    pthread_mutex_lock(&guard);
    snprintf(files, sizeof files, "\n%s\n", paths);
    well = after;
    error_number = error;
    is_for_good = for_good;
    is_short = halved;
    fired = 0;
    armed = calls;
    pthread_mutex_unlock(&guard);
}

void fault_disarm(void)
{
    armed = 0;
}

/* How many calls have failed since it was armed. */
int fault_fired(void)
{
    return fired;
}

static int is_one_of_them(int descriptor)
{
    char link[64], path[PATH_MAX + 2];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path + 1, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[0] = path[length + 1] = '\n';
    path[length + 2] = 0;
    return strstr(files, path) != NULL;
}

/* What becomes of a call: -1 it fails, 1 half of it is done, 0 it goes well. */
static int fate(int descriptor, int call, size_t bytes)
{
    int found = 0, before = errno;
    if (!(armed & call) || !is_one_of_them(descriptor)) {
        errno = before;
        return 0;
    }
    pthread_mutex_lock(&guard);
    if (!(armed & call)) {
        /* another thread's call was the one to fail */
    } else if (well > 0) {
        well--;
    } else if (is_short && call == WRITES && bytes > 1) {
        is_short = 0;
        found = 1;
    } else {
        fired++;
        found = -1;
        if (!is_for_good)
            armed = 0;
    }
    pthread_mutex_unlock(&guard);
    errno = found < 0 ? error_number : before;
    return found;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITE(name, bytes, declaration, ...)                                  \
    ssize_t name declaration                                                  \
    {                                                                         \
        static __typeof__(&name) real;                                        \
        if (!real)                                                            \
            real = REAL(name);                                                \
        int found = fate(descriptor, WRITES, bytes);                          \
        if (found < 0)                                                        \
            return -1;                                                        \
        if (found > 0)                                                        \
            bytes /= 2;                                                       \
        return real(__VA_ARGS__);                                             \
    }

WRITE(write, size, (int descriptor, const void *data, size_t size), descriptor, data, size)
WRITE(pwrite, size, (int descriptor, const void *data, size_t size, off_t at), descriptor, data, size, at)
WRITE(pwrite64, size, (int descriptor, const void *data, size_t size, off64_t at), descriptor, data, size, at)

#define OTHER(name, call, declaration, ...)                                   \
    int name declaration                                                      \
    {                                                                         \
        static __typeof__(&name) real;                                        \
        if (!real)                                                            \
            real = REAL(name);                                                \
        return fate(descriptor, call, 0) < 0 ? -1 : real(__VA_ARGS__);        \
    }

OTHER(fsync, SYNCS, (int descriptor), descriptor)
OTHER(fdatasync, SYNCS, (int descriptor), descriptor)
OTHER(ftruncate, TRUNCATES, (int descriptor, off_t length), descriptor, length)
OTHER(ftruncate64, TRUNCATES, (int descriptor, off64_t length), descriptor, length)
