SELECT instances.fsm, CAST(instances.status AS TEXT) AS status, count(*) AS count
FROM gendurable.instances GROUP BY instances.fsm, instances.status
