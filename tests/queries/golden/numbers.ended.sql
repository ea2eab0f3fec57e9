SELECT (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE instances.status = 'done' AND instances.updated_at > statement_timestamp() - interval '1 minute') AS done_minute, (SELECT count(*) AS count_2
FROM gendurable.instances
WHERE instances.status = 'done' AND instances.updated_at > statement_timestamp() - interval '1 hour') AS done_hour, (SELECT count(*) AS count_3
FROM gendurable.instances
WHERE instances.status = 'failed' AND instances.updated_at > statement_timestamp() - interval '1 minute') AS failed_minute, (SELECT count(*) AS count_4
FROM gendurable.instances
WHERE instances.status = 'failed' AND instances.updated_at > statement_timestamp() - interval '1 hour') AS failed_hour, (SELECT count(*) AS count_5
FROM gendurable.instances
WHERE instances.status = 'cancelled' AND instances.updated_at > statement_timestamp() - interval '1 minute') AS cancelled_minute, (SELECT count(*) AS count_6
FROM gendurable.instances
WHERE instances.status = 'cancelled' AND instances.updated_at > statement_timestamp() - interval '1 hour') AS cancelled_hour
