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

# ARGV: result ttl, keys... -> the results (or false), each kept for another ttl
LOOKUP = """
local found = {}
for i = 2, #ARGV do
  local key = 'cr:res:' .. ARGV[i]
  local value = redis.call('GET', key)
  if value then redis.call('EXPIRE', key, ARGV[1]) end
  found[#found + 1] = value or false
end
return found
"""

# ARGV: batch, its deadline, now, lane, queue, job, ttl, stream ttl, number of keys, keys..., RQ job fields
# and values... -> number of keys that are new; a known result is delivered, work under way is joined
SUBMIT = (
    _ENQUEUE
    + """
local batch, deadline, now, lane, queue, job = unpack(slice(1, 6))
local ttl, stream_ttl, count = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local fresh, delivered = 0, 0
for i = 10, 9 + count do
  local key = ARGV[i]
  local fly = 'cr:fly:' .. key
  if redis.call('EXISTS', 'cr:res:' .. key) == 1 then
    redis.call('EXPIRE', 'cr:res:' .. key, stream_ttl)
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
if delivered > 0 then redis.call('PUBLISH', 'cr:done', batch) end
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

# ARGV: key, result, result ttl (0: not cached), stream ttl, status, lanes that go first...
# -> {batches told (0: somebody else finished it or nobody waits), jobs waiting in those lanes}
FINISH = """
local key, record, ttl, stream_ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fields = redis.call('HGETALL', 'cr:fly:' .. key)
local told = 0
if #fields > 0 then
  redis.call('DEL', 'cr:fly:' .. key)
  redis.call('ZREM', 'cr:inflight', key)
  if ttl > 0 then redis.call('SET', 'cr:res:' .. key, record, 'EX', ttl) end
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
for i = 6, #ARGV do urgent = urgent + redis.call('LLEN', 'cr:turns:' .. ARGV[i]) end
return {told, urgent}
"""

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
redis.call('PUBLISH', 'cr:done', ARGV[1])
return 1
"""
