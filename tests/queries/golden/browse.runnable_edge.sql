SELECT gendurable.instances.queue, gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.queue, gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id) > (%(from_queue)s::VARCHAR, %(from_priority)s::SMALLINT, %(from_eligible_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL ORDER BY gendurable.instances.queue, gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT 1 OFFSET 9999
