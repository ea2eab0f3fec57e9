WITH waiting_for_key AS
(SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = %(in_queue)s::VARCHAR FOR NO KEY UPDATE SKIP LOCKED),
waiting_for_rate AS
(SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = %(in_queue)s::VARCHAR FOR NO KEY UPDATE SKIP LOCKED)
 UPDATE gendurable.instances SET blocked=NULL, updated_at=statement_timestamp() WHERE gendurable.instances.id = any(array((SELECT waiting.id
FROM (SELECT waiting_for_key.id AS id
FROM waiting_for_key UNION ALL SELECT waiting_for_rate.id AS id
FROM waiting_for_rate) AS waiting)))
