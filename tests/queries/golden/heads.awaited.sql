SELECT DISTINCT instances.rate_limit
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.queue = %(in_queue)s::VARCHAR
