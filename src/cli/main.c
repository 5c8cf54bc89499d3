/* SPDX-License-Identifier: MIT
 *
 * The command `trialog`: finds the command among the words, reads its options, runs it, cleans up.
 *
 * Failure modes: each command returns the exit status of the process (trialog(1), EXIT STATUS). A closed pipe behind standard
 * output ends the process the way SIGPIPE does, without a word, and after the storage has been closed.
 */
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct opt cli_global_opts[] = {
    {OPT_TEXT, "storage", 0, 0, offsetof(struct cli_globals, storage), "FILE", NULL, NULL,
     "the journal: a path, the URL of a database, or memory:// for one that ends with the command. Default: "
     "$TRIALOG_STORAGE, else $OPTUNA_STORAGE"},
    {OPT_TEXT, "storage-class", 0, 0, offsetof(struct cli_globals, storage_class), "CLASS", NULL, NULL,
     "Optuna's name for the kind of storage: JournalFileBackend, RDBStorage or JournalRedisBackend; an error when the "
     "storage is of another kind"},
    {OPT_COUNT, "verbose", 'v', 0, offsetof(struct cli_globals, verbose), NULL, NULL, NULL,
     "say what is done on standard error; twice for more"},
    {OPT_FLAG, "quiet", 'q', 0, offsetof(struct cli_globals, quiet), NULL, NULL, NULL,
     "no warnings, errors only"},
    {OPT_TEXT, "log-file", 0, 0, offsetof(struct cli_globals, log_file), "FILE", NULL, NULL,
     "append all messages, debugging ones too, to a file"},
    {OPT_FLAG, "debug", 0, 0, offsetof(struct cli_globals, debug), NULL, NULL, NULL,
     "show error codes and positions with errors"},
    {OPT_CHOICE, "durability", 0, 0, offsetof(struct cli_globals, durability), "LEVEL", "full|relaxed|off",
     "full", "when writes reach the disk: before the command goes on, every second, or when the system likes"},
    {OPT_CHOICE, "lock", 0, 0, offsetof(struct cli_globals, lock), "HOW", "both|kernel", "both",
     "kernel is quicker, but only when no Optuna process writes to the journal"},
    {OPT_DURATION, "lock-timeout", 0, 0, offsetof(struct cli_globals, lock_timeout), "TIME", NULL, NULL,
     "longest wait for the journal's lock, or for a database. Default: 60s"},
    {OPT_FLAG, "help", 'h', 0, offsetof(struct cli_globals, help), NULL, NULL, NULL, "show the command's help"},
    OPT_TABLE_END,
};

static int open_log(struct cli *c)
{
    if (!c->g.log_file) {
        return 0;
    }
    c->log_file = fopen(c->g.log_file, "ae");
    if (!c->log_file) {
        return cli_error(c, errno == EACCES ? TL_EACCESS : TL_EIO, "cannot open the log file '%s': %s",
                         c->g.log_file, strerror(errno));
    }
    return 0;
}

static int run(struct cli *c, const struct command *cmd, int n, char **words)
{
    void *values = mem_zalloc(1, cmd->values_size + 1);
    if (!values) {
        return cli_nomem(c);
    }
    c->command = cmd;
    int status = opt_parse(c, cmd, values, n, words);
    if (status == 0 && c->g.help) {
        status = help_command(c, cmd);
    } else if (status == 0) {
        status = open_log(c);
        status = status ? status : cmd->run(c, values);
    }
    opt_release(cmd, values);
    mem_free(values);
    return status;
}

/* Words without a command: help, or the options that stand for themselves. */
static int without_command(struct cli *c, int n, char **words)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], "--version") == 0 || strcmp(words[i], "-V") == 0) {
            return help_version(c);
        }
    }
    int status = opt_parse(c, NULL, NULL, n, words);
    if (status == 0 && n > 0 && !c->g.help) {
        return cli_usage(c, "a command is missing");
    }
    return status ? status : help_all(c);
}

/* Standard descriptors that are closed would be taken by the journal. */
static void fill_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct cli c = {.g = {.durability = "full", .lock = "both"}, .lease_ms = -1};
    struct sigaction pipe_before, ignore = {.sa_handler = SIG_IGN};
    int n_rest = 0, status = 0;
    fill_descriptors();
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, &pipe_before);
    char **rest = mem_zalloc((size_t)argc + 1, sizeof *rest);
    if (!rest) {
        return cli_nomem(&c);
    }
    const struct command *cmd = opt_find_command(&c, argc > 0 ? argc - 1 : 0, argv + 1, rest, &n_rest, &status);
    if (cmd) {
        status = run(&c, cmd, n_rest, rest);
    } else if (status == 0) {
        status = without_command(&c, n_rest, rest);
    }
    tl_storage_close(c.storage);
    arena_release(&c.memory);
    mem_free(rest);
    if (c.log_file) {
        fclose((FILE *)c.log_file);
    }
    if (c.out_closed && pipe_before.sa_handler == SIG_DFL) {
        sigaction(SIGPIPE, &pipe_before, NULL);
        raise(SIGPIPE);
    }
    return status;
}
