#!/bin/bash
# tests/deploy/ansible.sh PROGRAM
#
# The role of deploy/ansible against this host, in a scratch directory: a check changes
# nothing, a run installs the configuration, a second run changes nothing, and a
# configuration that the program refuses is not installed. The package and the units are
# left out, which tests/lab/package.rs has. Prints `N passed, M failed`.
set -euo pipefail

program=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0

export ANSIBLE_ROLES_PATH=$here/deploy/ansible/roles ANSIBLE_NOCOLOR=1
# The module code runs in the Python of Ansible itself.
interpreter="{ansible_python_interpreter: '{{ ansible_playbook_python }}'}"
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_HOME=$scratch/ansible
cat >"$scratch/play.yaml" <<END
- hosts: localhost
  connection: local
  gather_facts: false
  roles:
    - role: lvs_agent
      vars:
        lvs_agent_roles: [director]
        lvs_agent_install: false
        lvs_agent_manage_units: false
        lvs_agent_program: $program
        lvs_agent_config: $scratch/config.yaml
        lvs_agent_config_source: $scratch/source.yaml
        lvs_agent_config_owner: $(id -un)
        lvs_agent_config_group: $(id -gn)
END

# play [OPTION...]: the output is in $output, and whether the play succeeded in $ended.
play() {
	ended=0
	output=$(ansible-playbook -i localhost, --extra-vars "$interpreter" "$@" "$scratch/play.yaml" 2>&1) || ended=$?
}

# expect WHAT CONDITION...
expect() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'ansible: not so: %s\n%s\n' "$what" "$output"
	fi
}

succeeded_with() {
	((ended == 0)) && [[ $output == *"$1"* ]]
}

is_refused_with() {
	((ended != 0)) && [[ $output == *"$1"* ]]
}

output=$(ansible-playbook -i "$here/deploy/ansible/inventory.yaml" --syntax-check \
	"$here/deploy/ansible/site.yaml" 2>&1) && ended=0 || ended=$?
expect 'the example is a playbook' succeeded_with 'site.yaml'

cp "$here/config/minimal.yaml" "$scratch/source.yaml"
play --check --diff
expect 'a check shows the change' succeeded_with '+  interface: eth0'
expect 'a check installs nothing' test ! -e "$scratch/config.yaml"
play
expect 'a run changes one file' succeeded_with 'changed=1 '
expect 'the configuration is installed' cmp -s "$scratch/source.yaml" "$scratch/config.yaml"
expect 'only owner and group may read the file' \
	test "$(stat --format=%a "$scratch/config.yaml" 2>/dev/null)" = 640
play
expect 'a second run changes nothing' succeeded_with 'changed=0 '
echo 'mistake: 1' >>"$scratch/source.yaml"
play
expect 'a broken configuration is refused with its mistake' is_refused_with 'mistake'
expect 'the configuration before it stays' cmp -s "$here/config/minimal.yaml" "$scratch/config.yaml"
sed -i 's/lvs_agent_roles: .*/lvs_agent_roles: [balancer]/' "$scratch/play.yaml"
play
expect 'an unknown role is refused' is_refused_with 'lvs_agent_roles is a list of director'

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
