-- Precedes every other script of this folder.

-- A session is one text: its parts, separated by spaces. Each part may be empty.
local PARTS = '^(%w*) (%d*) (%d*) (%d*) (%S*) (.*)$'

-- Lifetime of a lease, which allows writing a missing session back, in ms.
local LEASE = 10000

-- Upper bounds of generations and of times in ms.
local GENERATIONS, TIMES = 2 ^ 32, 2 ^ 53

-- The parts of a session, all texts, empty if unknown:
--   generation  of the newest refresh token; 'ended' is a tombstone
--   rotated     when the session reached that generation, in ms
--   saved       when the generation was last saved to SQL, in ms
--   arrival     the theoretical arrival time of the rate limit, in ms
--   lease       allows writing the session back after reading SQL
--   profile     the replication id under which it was written, a dot, and what profile.rs describes
local function session_of(generation, rotated, saved, arrival, lease, profile)
  return {
    generation = generation or '', rotated = rotated or '', saved = saved or '',
    arrival = arrival or '', lease = lease or '', profile = profile or '',
  }
end

-- The session at this key. A value of another form counts as missing, and is overwritten.
local function read(key)
  local held = redis.pcall('GET', key)
  if type(held) == 'table' and not string.find(held.err, 'WRONGTYPE', 1, true) then
    redis.call('GET', key) -- Raises the same error again.
  end
  if type(held) ~= 'string' then
    held = ''
  end
  return session_of(string.match(held, PARTS))
end

-- A part as a whole number below the limit, or nil.
local function whole(part, limit)
  local number = string.match(part, '^%d+$') and tonumber(part)
  return number and number < limit and number or nil
end

-- Writes a session that Redis keeps for this time, in ms.
local function write(key, session, time)
  local text = table.concat({
    session.generation, session.rotated, session.saved, session.arrival, session.lease, session.profile,
  }, ' ')
  redis.call('SET', key, text, 'PX', time)
end

-- Writes a session. It expires no earlier than before, and lives at least for this time, in ms.
local function keep(key, session, time)
  write(key, session, math.max(redis.call('PTTL', key), time))
end

-- A whole number as a session contains it, without an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

-- The replication id of this server, cut to 16 digits. It changes when a server starts and when a
-- replica is promoted. A session that was written under another id may lack later writes, an end
-- among them. False on a replica, which may lag behind. Empty if the user may not run INFO (ACL), and
-- then a change goes unnoticed.
local function replication_id()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then
    return ''
  end
  if not string.find(info, 'role:master', 1, true) then
    return false
  end
  return string.sub(string.match(info, 'master_replid:(%x+)') or '', 1, 16)
end

-- When a session expires at the latest, by its profile. Nil if the profile was written under another
-- replication id, or if a part is missing.
local function expiry(session)
  local written_under, expires = string.match(session.profile, '^(%x*)%.(%d+)%.')
  local is_whole = whole(session.generation, GENERATIONS) and whole(session.rotated, TIMES) and whole(session.saved, TIMES)
  if is_whole and written_under == replication_id() then
    return tonumber(expires)
  end
end

-- Gives a lease for writing a session back after reading SQL. A write that replaces the session in
-- between, an end above all, removes the lease too, so that an older read is not written. All readers
-- of a moment share one lease.
local function give_lease(session, nonce)
  local current = replication_id() or ''
  if string.match(session.lease, ':(%x*)$') ~= current then
    session.lease = nonce .. ':' .. current
  end
end
