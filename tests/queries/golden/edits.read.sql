SELECT gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, gendurable.instances.status, CAST(gendurable.instances.state AS TEXT) AS state, gendurable.instances.attempt, gendurable.instances.visit, gendurable.instances.claim_seq, gendurable.instances.parent_id, gendurable.instances.parent_round, gendurable.instances.correlation_key
FROM gendurable.instances
WHERE gendurable.instances.id = %(target)s::BIGINT
