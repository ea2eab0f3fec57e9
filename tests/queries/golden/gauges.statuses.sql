SELECT gendurable.instances.fsm, CAST(gendurable.instances.status AS TEXT) AS status, count(*) AS count
FROM gendurable.instances GROUP BY gendurable.instances.fsm, gendurable.instances.status
