SELECT gendurable.instances.blocked, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.blocked, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, gendurable.instances.id) > (%(from_blocked)s::VARCHAR, %(from_fsm)s::VARCHAR, %(from_fsm_version)s::INTEGER, %(from_step)s::VARCHAR, %(from_id)s::BIGINT) AND gendurable.instances.blocked IS NOT NULL AND (gendurable.instances.blocked IN ('unknown', 'invalid')) ORDER BY gendurable.instances.blocked, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, gendurable.instances.id
 LIMIT 1 OFFSET 9999
