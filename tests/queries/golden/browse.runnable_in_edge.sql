SELECT instances.priority, instances.eligible_at, instances.id
FROM gendurable.instances
WHERE (instances.priority, instances.eligible_at, instances.id) > (%(from_priority)s::SMALLINT, %(from_eligible_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT 1 OFFSET 9999
