SELECT instances.rate_limit, instances.queue, instances.priority, instances.eligible_at, instances.id
FROM gendurable.instances
WHERE (instances.rate_limit, instances.queue, instances.priority, instances.eligible_at, instances.id) > (%(from_rate_limit)s::VARCHAR, %(from_queue)s::VARCHAR, %(from_priority)s::SMALLINT, %(from_eligible_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL ORDER BY instances.rate_limit, instances.queue, instances.priority, instances.eligible_at, instances.id
 LIMIT 1 OFFSET 9999
