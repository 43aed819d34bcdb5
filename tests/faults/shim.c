/* Preloaded into a client process: fails, cuts short or writes down the I/O on a database's files.
 *
 * Compiled and loaded by io_points.py and power_cut.py (LD_PRELOAD). The files are those whose path
 * begins with GB_SHIM_PREFIX (bank.db, bank.db-wal, bank.db-journal, bank.db-shm) and the folder
 * that they lie in. Pages that SQLite shares through mmap (-shm) are no I/O and are made anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, EIO_ONCE, FULL, SHORT, TORN, KILL, TORN_KILL };
enum { FDS = 4096, FOLDER = 1, DATABASE, WAL, JOURNAL, SHARED, OTHER };

static unsigned char kind_of_fd[FDS];
static long calls, fail_at;
static int action, is_armed, has_fired, log_fd = -1;

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* --- which file it is ------------------------------------------------------------------------ */

static int kind_of(const char *path) {
    const char *prefix = getenv("GB_SHIM_PREFIX");
    size_t size = prefix ? strlen(prefix) : 0;
    if (!size || !path) return 0;
    if (strncmp(path, prefix, size) == 0) {
        const char *rest = path + size;
        if (!*rest) return DATABASE;
        if (!strcmp(rest, "-wal")) return WAL;
        if (!strcmp(rest, "-journal")) return JOURNAL;
        return strcmp(rest, "-shm") ? OTHER : SHARED;
    }
    const char *slash = strrchr(prefix, '/');
    size_t folder = slash ? (size_t)(slash - prefix) : 0;
    return folder && strlen(path) == folder && !strncmp(path, prefix, folder) ? FOLDER : 0;
}

static int kind_of_open(int fd) { return fd >= 0 && fd < FDS ? kind_of_fd[fd] : 0; }

/* --- the log of what was written ------------------------------------------------------------- */

static void put(const void *bytes, size_t size) {
    REAL(write);
    while (size) {
        ssize_t done = real(log_fd, bytes, size);
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        size -= (size_t)done;
    }
}

static void record(char what, int kind, int64_t offset, const void *bytes, uint32_t size) {
    if (log_fd < 0 || kind == SHARED || kind == OTHER) return;
    unsigned char head[14] = {(unsigned char)what, (unsigned char)kind};
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &size, 4);
    put(head, sizeof head);
    if (size) put(bytes, size);
}

/* --- what the program that loaded us may call ------------------------------------------------- */

void shim_arm(long at, int what) {
    calls = 0, fail_at = at, action = what, has_fired = 0, is_armed = 1;
}
long shim_disarm(void) { return is_armed = 0, calls; }
int shim_fired(void) { return has_fired; }
void shim_record(const char *path) {
    REAL(open);
    log_fd = real(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    if (log_fd < 0) abort();
}
void shim_note(const char *text) { record('N', 0, 0, text, (uint32_t)strlen(text)); }

/* --- the faults ------------------------------------------------------------------------------ */

/* What becomes of this call: the action whose turn it is, or COUNT for none. */
static int turn(int kind) {
    if (!is_armed || !kind) return COUNT;
    calls++;
    int is_due = action == FULL ? calls >= fail_at : calls == fail_at;
    return is_due && action != COUNT ? action : COUNT;
}

static int fails(int code) { return has_fired = 1, errno = code, -1; }
static void die(void) { kill(getpid(), SIGKILL); }

/* For calls that write nothing: whether it fails. */
static int refuses(int kind, int takes_space) {
    switch (turn(kind)) {
    case EIO_ONCE: case TORN: return fails(EIO);
    case FULL: return takes_space ? fails(ENOSPC) : 0;
    case KILL: case TORN_KILL: die(); return -1;
    default: return 0;
    }
}

typedef ssize_t (*Writer)(int, const void *, size_t, off64_t);

static ssize_t pwrite_really(int fd, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    return real(fd, bytes, size, offset);
}

static ssize_t write_really(int fd, const void *bytes, size_t size, off64_t offset) {
    REAL(write);
    (void)offset;
    return real(fd, bytes, size);
}

static ssize_t written(Writer writer, int fd, const void *bytes, size_t size, off64_t offset) {
    int kind = kind_of_open(fd), what = turn(kind);
    size_t part = what == SHORT || what == TORN || what == TORN_KILL ? size / 2 : size;
    if (what == EIO_ONCE) return fails(EIO);
    if (what == FULL) return fails(ENOSPC);
    if (what == KILL) die();
    ssize_t done = part ? writer(fd, bytes, part, offset) : 0;
    if (kind && done > 0) record('W', kind, offset, bytes, (uint32_t)done);
    if (what == TORN_KILL) die();
    if (what == TORN) return fails(EIO);
    if (what == SHORT) has_fired = 1;
    return what == SHORT && !part ? writer(fd, bytes, size, offset) : done;
}

/* --- the calls ------------------------------------------------------------------------------- */

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    int kind = kind_of(path);
    struct stat found;
    int is_new = kind && (flags & O_CREAT) && stat(path, &found) != 0;
    if (kind && refuses(kind, is_new)) return -1;
    int fd = real(path, flags, mode);
    if (fd >= 0 && fd < FDS) kind_of_fd[fd] = (unsigned char)kind;
    if (fd >= 0 && is_new) record('C', kind, 0, NULL, 0);
    return fd;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        REAL(name);                                                                                \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                  \
        va_end(more);                                                                              \
        return opened(real, path, flags, mode);                                                    \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < FDS) kind_of_fd[fd] = 0;
    return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    return written(write_really, fd, bytes, size, kind_of_open(fd) ? lseek64(fd, 0, SEEK_CUR) : 0);
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    return written(pwrite_really, fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return written(pwrite_really, fd, bytes, size, offset);
}

ssize_t read(int fd, void *bytes, size_t size) {
    REAL(read);
    return refuses(kind_of_open(fd), 0) ? -1 : real(fd, bytes, size);
}
ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
    REAL(pread);
    return refuses(kind_of_open(fd), 0) ? -1 : real(fd, bytes, size, offset);
}
ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset) {
    REAL(pread64);
    return refuses(kind_of_open(fd), 0) ? -1 : real(fd, bytes, size, offset);
}

static int synced(int (*real)(int), int fd) {
    int kind = kind_of_open(fd);
    if (refuses(kind, 0)) return -1;
    int done = real(fd);
    if (kind && done == 0) record('S', kind, 0, NULL, 0);
    return done;
}
int fsync(int fd) { REAL(fsync); return synced(real, fd); }
int fdatasync(int fd) { REAL(fdatasync); return synced(real, fd); }

static int cut(int (*real)(int, off64_t), int fd, off64_t size) {
    int kind = kind_of_open(fd);
    if (refuses(kind, 1)) return -1;
    int done = real(fd, size);
    if (kind && done == 0) record('T', kind, size, NULL, 0);
    return done;
}
int ftruncate(int fd, off_t size) { REAL(ftruncate64); return cut(real, fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return cut(real, fd, size); }

int unlink(const char *path) {
    REAL(unlink);
    int kind = kind_of(path);
    if (refuses(kind, 0)) return -1;
    int done = real(path);
    if (kind && done == 0) record('U', kind, 0, NULL, 0);
    return done;
}
