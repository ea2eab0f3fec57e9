SELECT instances.id
FROM gendurable.instances
WHERE (instances.id) > (%(from_id)s::BIGINT) AND instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.id
 LIMIT 1 OFFSET 9999
