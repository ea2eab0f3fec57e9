SELECT gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id) > (%(from_priority)s::SMALLINT, %(from_eligible_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = %(in_queue)s::VARCHAR ORDER BY gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT 1 OFFSET 9999
