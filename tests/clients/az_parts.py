"""The Azure command line with everything that belongs to a cache: rules, schedules, links, policies, identity, data."""

import os

import redis

from cli import az, login, refused
from steps import CA, Arm, Cache, check, step

PREMIUM = {"name": "Premium", "family": "P", "capacity": 1}
ON = "-g parts -n first"
OBJECT = "11111111-2222-3333-4444-555555555555"
# Where the gateway may write and read backups.
FOLDER = os.environ["GATEWAY_TRANSFERS"]


def connected(cache):
    properties = cache.properties()
    options = {"ssl": True, "ssl_ca_certs": CA, "password": cache.keys()["primaryKey"]}
    return redis.Redis(host="localhost", port=properties["sslPort"], **options)


def schedules():
    entries = '[{"dayOfWeek":"Monday","startHourUtc":"5","maintenanceWindow":"PT5H"}]'
    made = az(f"redis patch-schedule create {ON} --schedule-entries '{entries}'")
    check(made["scheduleEntries"][0]["startHourUtc"] == 5, made)
    check(az(f"redis patch-schedule show {ON}")["scheduleEntries"][0]["dayOfWeek"] == "Monday")
    az(f"redis patch-schedule update {ON} --schedule-entries '{entries.replace('Monday', 'Everyday')}'")
    check(az(f"redis patch-schedule show {ON}")["scheduleEntries"][0]["dayOfWeek"] == "Everyday")
    az(f"redis patch-schedule delete {ON}")
    refused(f"redis patch-schedule show {ON}", 3, "ResourceNotFound")


def rules():
    az(f"redis firewall-rules create {ON} --rule-name office --start-ip 127.0.0.1 --end-ip 127.0.0.9")
    check(az(f"redis firewall-rules show {ON} --rule-name office")["endIp"] == "127.0.0.9")
    az(f"redis firewall-rules update {ON} --rule-name office --start-ip 127.0.0.1 --end-ip 127.0.0.10")
    check([rule["endIp"] for rule in az(f"redis firewall-rules list {ON}")] == ["127.0.0.10"])
    refused(f"redis firewall-rules create {ON} --rule-name wrong --start-ip 9 --end-ip 1", 1, "startIP")
    az(f"redis firewall-rules delete {ON} --rule-name office")
    check(az(f"redis firewall-rules list {ON}") == [])


def policies():
    built_in = {policy["name"] for policy in az(f"redis access-policy list {ON}")}
    check(built_in >= {"Data Owner", "Data Contributor", "Data Reader"}, built_in)
    check(az(f"redis access-policy show {ON} --access-policy-name 'Data Reader'")["typePropertiesType"] == "BuiltIn")
    permissions = "+get +hget ~cache:*"
    made = az(f"redis access-policy create {ON} --access-policy-name mine --permissions '{permissions}'")
    check(made["name"] == "mine" and made["permissions"] == permissions and made["provisioningState"] == "Succeeded", made)
    user = f"--object-id {OBJECT} --object-id-alias me"
    assigned = az(
        f"redis access-policy-assignment create {ON} --policy-assignment-name mine --access-policy-name mine {user}"
    )
    check(assigned["accessPolicyName"] == "mine" and assigned["objectId"] == OBJECT, assigned)
    check([each["name"] for each in az(f"redis access-policy-assignment list {ON}")] == ["mine"])
    az(f"redis access-policy-assignment show {ON} --policy-assignment-name mine")
    az(f"redis access-policy-assignment delete {ON} --policy-assignment-name mine")
    az(f"redis access-policy delete {ON} --access-policy-name mine")
    check({policy["name"] for policy in az(f"redis access-policy list {ON}")} == built_in)


def identity():
    az(f"redis identity assign {ON} --mi-system-assigned")
    check(az(f"redis identity show {ON}")["principalId"])
    az(f"redis identity remove {ON} --mi-system-assigned")


def data(first):
    with connected(first) as client:
        client.set("greeting", "hello")
    az(f"redis export {ON} --prefix backup --container file://{FOLDER}")
    az(f"redis flush {ON} -y")
    with step("nothing is left"), connected(first) as client:
        check(client.dbsize() == 0)
    az(f"redis import {ON} --files file://{FOLDER}/backup.rdb -y")
    with step("everything is back"), connected(first) as client:
        check(client.get("greeting") == b"hello")
    az(f"redis force-reboot {ON} --reboot-type AllNodes")


def links(first, second):
    with connected(second) as client:
        client.set("whose", "second")
    az(f"redis server-link create {ON} --server-to-link second --replication-role Secondary")
    check([link["serverRole"] for link in az(f"redis server-link list {ON}")] == ["Secondary"])
    az(f"redis server-link show {ON} --linked-server-name second")
    with step("the secondary has the primary's data"), connected(second) as client:
        check(client.get("greeting") == b"hello" and client.get("whose") is None)
    az(f"redis server-link delete {ON} --linked-server-name second")
    with step("and keeps it, and takes writes, once it is unlinked"), connected(second) as client:
        check(client.get("greeting") == b"hello")
        check(client.set("whose", "second"))
    check(az(f"redis server-link list {ON}") == [])
    check(first.properties()["linkedServers"] == [], first.properties())


def main():
    login()
    arm = Arm("https").login()
    first, second = Cache(arm, "parts", "first", sku=PREMIUM), Cache(arm, "parts", "second", sku=PREMIUM)
    schedules()
    rules()
    policies()
    identity()
    data(first)
    links(first, second)
    az("redis delete -g parts -n first -y")
    az("group delete -n parts -y")


main()
