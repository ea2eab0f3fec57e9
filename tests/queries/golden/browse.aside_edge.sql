SELECT instances.blocked, instances.fsm, instances.fsm_version, instances.step, instances.id
FROM gendurable.instances
WHERE (instances.blocked, instances.fsm, instances.fsm_version, instances.step, instances.id) > (%(from_blocked)s::VARCHAR, %(from_fsm)s::VARCHAR, %(from_fsm_version)s::INTEGER, %(from_step)s::VARCHAR, %(from_id)s::BIGINT) AND instances.blocked IS NOT NULL AND (instances.blocked IN ('unknown', 'invalid')) ORDER BY instances.blocked, instances.fsm, instances.fsm_version, instances.step, instances.id
 LIMIT 1 OFFSET 9999
