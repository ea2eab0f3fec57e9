WITH waiting_for_key AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.queue = %(in_queue)s::VARCHAR FOR NO KEY UPDATE SKIP LOCKED),
waiting_for_rate AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.queue = %(in_queue)s::VARCHAR FOR NO KEY UPDATE SKIP LOCKED)
 UPDATE gendurable.instances SET blocked=NULL, updated_at=statement_timestamp() WHERE instances.id = any(array((SELECT waiting.id
FROM (SELECT waiting_for_key.id
FROM waiting_for_key UNION ALL SELECT waiting_for_rate.id
FROM waiting_for_rate) AS waiting)))
