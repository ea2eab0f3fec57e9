SELECT instances.queue, instances.id
FROM gendurable.instances
WHERE (instances.queue, instances.id) > (%(from_queue)s::VARCHAR, %(from_id)s::BIGINT) AND instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) ORDER BY instances.queue, instances.id
 LIMIT 1 OFFSET 9999
