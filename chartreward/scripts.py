"""The Lua scripts that change what lies in Redis; see `chartreward.ledger` for the keys.

Each does one step that must not be torn apart: a process may die between any two commands, never within a script.
Not for Redis Cluster: keys are built inside. All times are seconds since the epoch.
"""

_ENQUEUE = """
local function enqueue(lane, queue, job, ttl, front, next, fields)
  redis.call('HSET', 'rq:job:' .. job, unpack(fields))
  redis.call('EXPIRE', 'rq:job:' .. job, ttl)
  local list = 'rq:queue:' .. queue
  local waiting = redis.call('EXISTS', list)
  redis.call(front and 'LPUSH' or 'RPUSH', list, job)
  redis.call('EXPIRE', list, ttl)
  redis.call('SADD', 'rq:queues', list)
  if waiting == 0 then redis.call(next and 'LPUSH' or 'RPUSH', 'cr:turns:' .. lane, queue) end
  redis.call('LPUSH', 'cr:bell', '1')
  redis.call('LTRIM', 'cr:bell', 0, 255)
  redis.call('EXPIRE', 'cr:bell', 60)
end
local function slice(from, count)
  local part = {}
  for i = from, from + count - 1 do part[#part + 1] = ARGV[i] end
  return part
end
"""

# The store: values of one kind (res, png, ref, batch) lie under `cr:<kind>:<name>` with a time to live. Beside them
# `cr:kept:<kind>` (name -> when it ends) and `cr:bytes:<kind>` (name -> size, and their `total`) keep count, so that
# a kind stays below its cap: what would end first goes first. A batch counts twice: its stream is about as large.
_STORE = """
local function seconds()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1e6
end
local function outlive(kind, ttl)
  for _, index in ipairs({'cr:kept:' .. kind, 'cr:bytes:' .. kind}) do
    if redis.call('TTL', index) < ttl + 60 then redis.call('EXPIRE', index, ttl + 120) end
  end
end
local function drop(kind, name)
  redis.call('DEL', 'cr:' .. kind .. ':' .. name)
  if kind == 'batch' then redis.call('DEL', 'cr:out:' .. name) end
  local size = tonumber(redis.call('HGET', 'cr:bytes:' .. kind, name) or 0)
  redis.call('HDEL', 'cr:bytes:' .. kind, name)
  return tonumber(redis.call('HINCRBY', 'cr:bytes:' .. kind, 'total', -size))
end
local function purge(kind, count)
  local ended = redis.call('ZRANGEBYSCORE', 'cr:kept:' .. kind, '-inf', seconds(), 'LIMIT', 0, count)
  for _, name in ipairs(ended) do
    redis.call('ZREM', 'cr:kept:' .. kind, name)
    drop(kind, name)
  end
  return #ended
end
local function touch(kind, name, ttl)
  if redis.call('EXPIRE', 'cr:' .. kind .. ':' .. name, ttl) == 0 then return 0 end
  redis.call('ZADD', 'cr:kept:' .. kind, seconds() + ttl, name)
  return 1
end
local function keep(kind, name, value, ttl, most)
  local size = #value * (kind == 'batch' and 2 or 1)
  local before = tonumber(redis.call('HGET', 'cr:bytes:' .. kind, name) or 0)
  redis.call('SET', 'cr:' .. kind .. ':' .. name, value, 'EX', ttl)
  redis.call('HSET', 'cr:bytes:' .. kind, name, size)
  redis.call('ZADD', 'cr:kept:' .. kind, seconds() + ttl, name)
  local total = tonumber(redis.call('HINCRBY', 'cr:bytes:' .. kind, 'total', size - before))
  outlive(kind, ttl)
  if purge(kind, 64) > 0 then total = tonumber(redis.call('HGET', 'cr:bytes:' .. kind, 'total')) end
  while total > most do
    local first = redis.call('ZPOPMIN', 'cr:kept:' .. kind)
    if #first == 0 then break end
    total = drop(kind, first[1])
    redis.call('HINCRBY', 'cr:counters', 'evicted:' .. kind, 1)
  end
end
"""

# ARGV: kind, name, value, ttl, largest bytes of the kind, 1 to leave a value that is there
KEEP = (
    _STORE
    + """
if ARGV[6] == '1' and touch(ARGV[1], ARGV[2], ARGV[4]) == 1 then return 0 end
keep(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
return 1
"""
)

# ARGV: kind, ttl, names... -> for each 1 when it is there, kept for another ttl
TOUCH = (
    _STORE
    + """
local there = {}
for i = 3, #ARGV do there[#there + 1] = touch(ARGV[1], ARGV[i], tonumber(ARGV[2])) end
outlive(ARGV[1], tonumber(ARGV[2]))
return there
"""
)

# ARGV: kinds... -> for each its number of values and their bytes
USAGE = (
    _STORE
    + """
local found = {}
for _, kind in ipairs(ARGV) do
  while purge(kind, 1000) == 1000 do end
  found[#found + 1] = redis.call('ZCARD', 'cr:kept:' .. kind)
  found[#found + 1] = tonumber(redis.call('HGET', 'cr:bytes:' .. kind, 'total') or 0)
end
return found
"""
)

# ARGV: how many of the oldest items to look at. Items under way whose record has expired are under way no more: nobody
# closed their batch and no worker came for them. -> how many those were
PRUNE = """
local gone = 0
for _, key in ipairs(redis.call('ZRANGE', 'cr:inflight', 0, ARGV[1] - 1)) do
  if redis.call('EXISTS', 'cr:fly:' .. key) == 0 then gone = gone + redis.call('ZREM', 'cr:inflight', key) end
end
return gone
"""

# ARGV: result ttl, keys... -> the results (or false), each kept for another ttl
LOOKUP = (
    _STORE
    + """
local found, any = {}, false
for i = 2, #ARGV do
  local value = redis.call('GET', 'cr:res:' .. ARGV[i])
  if value then
    touch('res', ARGV[i], ARGV[1])
    any = true
  end
  found[#found + 1] = value or false
end
if any then outlive('res', tonumber(ARGV[1])) end
return found
"""
)

# ARGV: batch, its deadline, now, lane, queue, job, ttl, stream ttl, number of keys, keys..., RQ job fields
# and values... -> number of keys that are new; a known result is delivered, work under way is joined
SUBMIT = (
    _STORE
    + _ENQUEUE
    + """
local batch, deadline, now, lane, queue, job = unpack(slice(1, 6))
local ttl, stream_ttl, count = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local fresh, delivered = 0, 0
for i = 10, 9 + count do
  local key = ARGV[i]
  local fly = 'cr:fly:' .. key
  if touch('res', key, stream_ttl) == 1 then
    local status = string.match(redis.call('GETRANGE', 'cr:res:' .. key, 0, 31), '^[%l_]*')
    redis.call('XADD', 'cr:out:' .. batch, '*', 'k', key, 's', status)
    redis.call('EXPIRE', 'cr:out:' .. batch, stream_ttl)
    delivered = delivered + 1
  elseif redis.call('EXISTS', fly) == 1 then
    redis.call('HSET', fly, 'b:' .. batch, deadline)
    if redis.call('TTL', fly) < ttl then redis.call('EXPIRE', fly, ttl) end
    local owner = 'rq:job:' .. redis.call('HGET', fly, 'job')
    if redis.call('TTL', owner) < ttl then redis.call('EXPIRE', owner, ttl) end
  else
    redis.call('HSET', fly, 'job', job, 'b:' .. batch, deadline)
    redis.call('EXPIRE', fly, ttl)
    redis.call('ZADD', 'cr:inflight', now, key)
    fresh = fresh + 1
  end
end
if fresh > 0 then enqueue(lane, queue, job, ttl, false, false, slice(10 + count, #ARGV - 9 - count)) end
if delivered > 0 then redis.call('PUBLISH', 'cr:done', batch .. ' known') end
return fresh
"""
)

# ARGV: worker, time as RQ writes it, lanes... -> {job, queue, lane} now in the worker's hand, or nil
TAKE = """
for i = 3, #ARGV do
  local turns = 'cr:turns:' .. ARGV[i]
  local queue = redis.call('LPOP', turns)
  while queue do
    local list = 'rq:queue:' .. queue
    local job = redis.call('LPOP', list)
    if redis.call('EXISTS', list) == 1 then redis.call('RPUSH', turns, queue)
    else redis.call('SREM', 'rq:queues', list) end
    if job and redis.call('EXISTS', 'rq:job:' .. job) == 1 then
      redis.call('HSET', 'cr:hand:' .. ARGV[1], 'job', job, 'queue', queue, 'lane', ARGV[i])
      redis.call('HSET', 'rq:job:' .. job, 'status', 'started', 'started_at', ARGV[2], 'worker_name', ARGV[1])
      return {job, queue, ARGV[i]}
    end
    queue = redis.call('LPOP', turns)
  end
end
return nil
"""

# ARGV: job, now, keys... -> for each key: 1 when somebody still waits for it from this job
BEGIN = """
local wanted = {}
for i = 3, #ARGV do
  local fly, alive = 'cr:fly:' .. ARGV[i], 0
  if redis.call('HGET', fly, 'job') == ARGV[1] then
    local fields = redis.call('HGETALL', fly)
    for f = 1, #fields, 2 do
      if fields[f] ~= 'job' and tonumber(fields[f + 1]) > tonumber(ARGV[2]) then alive = 1 end
    end
    if alive == 0 then
      redis.call('DEL', fly)
      redis.call('ZREM', 'cr:inflight', ARGV[i])
      redis.call('HINCRBY', 'cr:counters', 'expired_total', 1)
    end
  end
  wanted[#wanted + 1] = alive
end
return wanted
"""

# ARGV: key, result, result ttl (0: not cached), stream ttl, status, bytes of results at most, lanes that go first...
# -> {batches told (0: somebody else finished it or nobody waits), jobs waiting in those lanes}
FINISH = (
    _STORE
    + """
local key, record, ttl, stream_ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fields = redis.call('HGETALL', 'cr:fly:' .. key)
local told = 0
if #fields > 0 then
  redis.call('DEL', 'cr:fly:' .. key)
  redis.call('ZREM', 'cr:inflight', key)
  if ttl > 0 then keep('res', key, record, ttl, tonumber(ARGV[6])) end
  for f = 1, #fields, 2 do
    if fields[f] ~= 'job' then
      local batch = string.sub(fields[f], 3)
      local out = 'cr:out:' .. batch
      if ttl > 0 then redis.call('XADD', out, '*', 'k', key, 's', ARGV[5])
      else redis.call('XADD', out, '*', 'k', key, 's', ARGV[5], 'r', record) end
      redis.call('EXPIRE', out, stream_ttl)
      redis.call('PUBLISH', 'cr:done', batch)
      told = told + 1
    end
  end
  redis.call('HINCRBY', 'cr:counters', 'outcome:' .. ARGV[5], 1)
end
local urgent = 0
for i = 7, #ARGV do urgent = urgent + redis.call('LLEN', 'cr:turns:' .. ARGV[i]) end
return {told, urgent}
"""
)

# ARGV: worker, job. The job is over; its hash goes.
RELEASE = """
redis.call('DEL', 'rq:job:' .. ARGV[2])
if redis.call('HGET', 'cr:hand:' .. ARGV[1], 'job') == ARGV[2] then redis.call('DEL', 'cr:hand:' .. ARGV[1]) end
return 1
"""

# ARGV: old job, new job, lane, queue, ttl, death (0, 1), explained (0, 1), largest number of unexplained deaths,
#       largest number of explained deaths, number of keys, keys..., RQ job fields and values...
# Move keys that the old job still owns to a new job at the front of its queue. A death counts against the keys; a key
# that has killed its share of workers is not queued again. -> {keys moved, 1 when the new job is condemned}
MOVE = (
    _ENQUEUE
    + """
local old, job, lane, queue = unpack(slice(1, 4))
local ttl, death, explained = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local count, moved, condemned = tonumber(ARGV[10]), 0, 0
for i = 11, 10 + count do
  local fly = 'cr:fly:' .. ARGV[i]
  if redis.call('HGET', fly, 'job') == old then
    redis.call('HSET', fly, 'job', job)
    moved = moved + 1
    if death == 1 then
      local dead = 'cr:dead:' .. ARGV[i]
      local deaths = redis.call('HINCRBY', dead, 'all', 1)
      local own = redis.call('HINCRBY', dead, 'explained', explained)
      redis.call('EXPIRE', dead, 86400)
      if deaths >= tonumber(ARGV[8]) or own >= tonumber(ARGV[9]) then condemned = 1 end
    end
  end
end
if moved > 0 and condemned == 0 then
  enqueue(lane, queue, job, ttl, true, death == 1, slice(11 + count, #ARGV - 10 - count))
end
return {moved, condemned}
"""
)

# ARGV: batch, reason, ttl, keys... Nobody of this batch waits any more; what no other batch wants is not done.
CLOSE = """
if not redis.call('SET', 'cr:closed:' .. ARGV[1], ARGV[2], 'NX', 'EX', ARGV[3]) then return 0 end
for i = 4, #ARGV do
  local fly = 'cr:fly:' .. ARGV[i]
  if redis.call('HDEL', fly, 'b:' .. ARGV[1]) == 1 and redis.call('HLEN', fly) == 1 then
    redis.call('DEL', fly)
    redis.call('ZREM', 'cr:inflight', ARGV[i])
  end
end
redis.call('PUBLISH', 'cr:done', ARGV[1] .. ' closed')
return 1
"""
