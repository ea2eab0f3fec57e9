SELECT gendurable.installation.id, gendurable.installation.revision
FROM gendurable.installation
