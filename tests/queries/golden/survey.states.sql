SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.blocked
FROM gendurable.instances
WHERE instances.id > %(after_id)s::BIGINT AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) ORDER BY instances.id
 LIMIT %(up_to)s::BIGINT
