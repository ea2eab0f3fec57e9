SELECT instances.fsm, instances.fsm_version, instances.step, count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children') GROUP BY instances.fsm, instances.fsm_version, instances.step ORDER BY instances.fsm, instances.fsm_version, instances.step
