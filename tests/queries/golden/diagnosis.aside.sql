SELECT instances.blocked, instances.fsm, instances.fsm_version, instances.step, count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.blocked IN ('unknown', 'invalid') GROUP BY instances.blocked, instances.fsm, instances.fsm_version, instances.step ORDER BY count DESC
