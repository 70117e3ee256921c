-- Goes before the other scripts.
-- The name of the history of writes that this server is at. It changes when a server starts and when a replica takes over: what
-- was written under another name may lack what came after it, the end of a session for one. False on a replica, which may lag
-- behind; empty where the user may not ask (ACL), and then a change goes unseen.
local function current_history()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then
    return ''
  end
  if not string.find(info, 'role:master', 1, true) then
    return false
  end
  return string.sub(string.match(info, 'master_replid:(%x+)') or '', 1, 16)
end
