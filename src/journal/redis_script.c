/* SPDX-License-Identifier: MIT
 *
 * The scripts that the Redis server runs for us, in Lua. Each runs as a whole or not at all, and alone.
 *
 * Rules: everything is checked before anything changes, because a script that fails half-way is not rolled back; the counter
 * log_number is written last. Every request may come twice (a reply was lost, or the first one was stuck on its way and wakes up
 * later): the second one changes nothing. KEYS[1] is PREFIX:log_number, ARGV[1] is PREFIX; all keys lie in one slot of a cluster if
 * the prefix has a {tag}. A server's clock is used only against itself.
 */
#include "journal/redis.h"

/* `head`: number of the last line, -1 when there is none. `is_at`: does the reader's last line still stand where it was? */
#define COMMON                                                                                               \
    "local prefix = ARGV[1]\n"                                                                               \
    "local function key(i) return prefix .. ':log:' .. string.format('%.0f', i) end\n"                       \
    "local function head_of()\n"                                                                             \
    "  local h = redis.call('get', KEYS[1])\n"                                                               \
    "  if not h then return -1 end\n"                                                                        \
    "  return tonumber(h)\n"                                                                                 \
    "end\n"

#define LINES                                                                                                \
    "local function is_at(head, from, length, edge)\n"                                                       \
    "  if from == 0 then return true end\n"                                                                  \
    "  if head < from - 1 then return false end\n"                                                           \
    "  local s = redis.call('get', key(from - 1))\n"                                                         \
    "  if not s or #s ~= length then return false end\n"                                                     \
    "  if #s > 512 then s = s:sub(1, 256) .. s:sub(-256) end\n"                                              \
    "  return s == edge\n"                                                                                   \
    "end\n"                                                                                                  \
    "local function news(reply, from, to, limit)\n"                                                          \
    "  local bytes, at = 0, from\n"                                                                          \
    "  while at <= to do\n"                                                                                  \
    "    local last, keys = math.min(to, at + 63), {}\n"                                                     \
    "    for i = at, last do keys[#keys + 1] = key(i) end\n"                                                 \
    "    local got = redis.call('mget', unpack(keys))\n"                                                     \
    "    for i = 1, #keys do\n"                                                                              \
    "      local line = got[i]\n"                                                                            \
    "      if not line or (bytes > 0 and bytes + #line > limit) then return end\n"                           \
    "      bytes = bytes + #line + 1\n"                                                                      \
    "      reply[#reply + 1] = line\n"                                                                       \
    "    end\n"                                                                                              \
    "    at = last + 1\n"                                                                                    \
    "  end\n"                                                                                                \
    "end\n"

#define CLOCK "local t = redis.call('time')\nlocal now = t[1] * 1000000 + t[2]\n"

const char *const redis_scripts[N_SCRIPTS] = {
    /* from, length and edge of the line before, limit in bytes -> status, head, lines */
    [SCRIPT_READ] = COMMON LINES
    "local from = tonumber(ARGV[2])\n"
    "local head = head_of()\n"
    "if not head then return {5, 0} end\n"
    "if not is_at(head, from, tonumber(ARGV[3]), ARGV[4]) then return {1, head} end\n"
    "local reply = {0, head}\n"
    "news(reply, from, head, tonumber(ARGV[5]))\n"
    "return reply\n",

    /* from, length, edge, limit, exact (2: in turn), worker, first n, seconds that its number is kept, whose lease is renewed, lines…
     * -> status, head, news up to our lines (ALREADY: ours included) */
    [SCRIPT_APPEND] = COMMON LINES
    "local from, limit, first = tonumber(ARGV[2]), tonumber(ARGV[5]), tonumber(ARGV[8])\n"
    "local writer = prefix .. ':trialog:writer:' .. ARGV[7]\n"
    "local head = head_of()\n"
    "if not head then return {5, 0} end\n"
    "if not is_at(head, from, tonumber(ARGV[3]), ARGV[4]) then return {1, head} end\n"
    "local last = redis.call('get', writer)\n"
    "local reply = {0, head}\n"
    "if last and tonumber(last) >= first then\n"
    "  reply[1] = 3\n"
    "  news(reply, from, head, limit)\n"
    "  return reply\n"
    "end\n"
    "local turn = prefix .. ':trialog:turn'\n"
    "local whose = redis.call('get', turn)\n"
    "if whose and whose ~= ARGV[7] then return {6, head} end\n"
    "if ARGV[6] ~= '0' and head ~= from - 1 then\n"
    "  if ARGV[6] == '2' then redis.call('set', turn, ARGV[7], 'PX', 100) end\n"
    "  reply[1] = 2\n"
    "  news(reply, from, head, limit)\n"
    "  return reply\n"
    "end\n"
    "if redis.call('exists', key(head + 1)) == 1 then return {4, head} end\n"
    "news(reply, from, head, limit)\n"
    "local lease = prefix .. ':trialog:lease:' .. ARGV[10]\n"
    "local beat = ARGV[10] ~= '' and redis.call('exists', lease) == 1\n"
    CLOCK
    "local n = #ARGV - 10\n"
    "for i = 1, n do redis.call('set', key(head + i), ARGV[10 + i]) end\n"
    "redis.call('set', writer, string.format('%.0f', first + n - 1), 'EX', ARGV[9])\n"
    "if beat then redis.call('hset', lease, 'beat', string.format('%.0f', now)) end\n"
    "if whose then redis.call('del', turn) end\n"
    "redis.call('set', KEYS[1], string.format('%.0f', head + n))\n"
    "return reply\n",

    /* worker: needs no turn any more */
    [SCRIPT_YIELD] =
    "local turn = ARGV[1] .. ':trialog:turn'\n"
    "if redis.call('get', turn) == ARGV[2] then redis.call('del', turn) end\n"
    "return 1\n",

    /* from, to, line -> how many lines that were missing have this one in their place now */
    [SCRIPT_FILL] = COMMON
    "local head, n = head_of(), 0\n"
    "if not head then return 0 end\n"
    "for i = tonumber(ARGV[2]), math.min(head, tonumber(ARGV[3])) do\n"
    "  if redis.call('exists', key(i)) == 0 then\n"
    "    redis.call('set', key(i), ARGV[4])\n"
    "    n = n + 1\n"
    "  end\n"
    "end\n"
    "return n\n",

    /* generation, parts, header -> 1; 0: a part is missing. The parts, which would expire, stay; those before go. */
    [SCRIPT_SNAPSHOT] =
    "local name, generation, parts = ARGV[1] .. ':trialog:snapshot', ARGV[2], tonumber(ARGV[3])\n"
    "for i = 0, parts - 1 do\n"
    "  if redis.call('exists', name .. ':' .. generation .. ':' .. i) == 0 then return 0 end\n"
    "end\n"
    "local old = redis.call('hmget', name, 'generation', 'parts')\n"
    "for i = 0, parts - 1 do redis.call('persist', name .. ':' .. generation .. ':' .. i) end\n"
    "redis.call('hset', name, 'generation', generation, 'parts', parts, 'header', ARGV[4])\n"
    "if old[1] and old[2] and old[1] ~= generation then\n"
    "  for i = 0, tonumber(old[2]) - 1 do redis.call('unlink', name .. ':' .. old[1] .. ':' .. i) end\n"
    "end\n"
    "return 1\n",

    /* worker, length, retries, left, milliseconds until the key expires */
    [SCRIPT_TAKE] = CLOCK
    "local lease = ARGV[1] .. ':trialog:lease:' .. ARGV[2]\n"
    "redis.call('hset', lease, 'length', ARGV[3], 'retries', ARGV[4], 'left', ARGV[5], 'beat', string.format('%.0f', now))\n"
    "redis.call('hdel', lease, 'late', 'noted')\n"
    "redis.call('pexpire', lease, ARGV[6])\n"
    "redis.call('sadd', ARGV[1] .. ':trialog:leases', ARGV[2])\n"
    "return 1\n",

    /* worker, milliseconds until the key expires -> 1, or 0: it has none */
    [SCRIPT_RENEW] = CLOCK
    "local lease = ARGV[1] .. ':trialog:lease:' .. ARGV[2]\n"
    "if redis.call('exists', lease) == 0 then return 0 end\n"
    "redis.call('hset', lease, 'beat', string.format('%.0f', now))\n"
    "redis.call('pexpire', lease, ARGV[3])\n"
    "return 1\n",

    /* what for (enum lease_clock), looks known to the caller (0: none) -> its turn?, looks, time */
    [SCRIPT_NOW] = CLOCK
    "local name, known = ARGV[1] .. ':trialog:looks', tonumber(ARGV[3])\n"
    "if ARGV[2] == '2' then return {1, known, now} end\n"
    "local looks = tonumber(redis.call('get', name) or '0')\n"
    "if ARGV[2] == '0' and known ~= 0 and looks ~= known then return {0, looks, now} end\n"
    "return {1, redis.call('incr', name), now}\n",

    /* worker, now, judge -> state (enum lease_state), length, retries, left, age in microseconds */
    [SCRIPT_LOOK] =
    "local lease = ARGV[1] .. ':trialog:lease:' .. ARGV[2]\n"
    "local h = redis.call('hmget', lease, 'length', 'retries', 'left', 'beat', 'late', 'noted')\n"
    "local length, beat, now = tonumber(h[1] or ''), tonumber(h[4] or ''), tonumber(ARGV[3])\n"
    "if not length or not beat then return {0} end\n"
    "local us, age, state = length * 1000, now - beat, 1\n"
    "if age > us / 2 or age < -us then\n"
    "  state = 2\n"
    "  if ARGV[4] == '1' then\n"
    "    if h[5] == h[4] then\n"
    "      local noted = now - tonumber(h[6])\n"
    "      if (age > us and noted >= us / 5 * 2) or (age < 0 and noted > us) then state = 3 end\n"
    "    else\n"
    "      redis.call('hset', lease, 'late', h[4], 'noted', ARGV[3])\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return {state, length, tonumber(h[2] or '0'), tonumber(h[3] or '0'), age}\n",

    /* worker */
    [SCRIPT_DROP] =
    "redis.call('del', ARGV[1] .. ':trialog:lease:' .. ARGV[2])\n"
    "redis.call('srem', ARGV[1] .. ':trialog:leases', ARGV[2])\n"
    "return 1\n",

    /* -> workers with a lease; names of expired ones are forgotten */
    [SCRIPT_EACH] =
    "local name, reply = ARGV[1] .. ':trialog:leases', {}\n"
    "for _, worker in ipairs(redis.call('smembers', name)) do\n"
    "  if redis.call('exists', ARGV[1] .. ':trialog:lease:' .. worker) == 1 then\n"
    "    reply[#reply + 1] = worker\n"
    "  else\n"
    "    redis.call('srem', name, worker)\n"
    "  end\n"
    "end\n"
    "return reply\n",
};
