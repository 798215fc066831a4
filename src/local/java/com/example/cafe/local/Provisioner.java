package com.example.cafe.local;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/** Creates resources of one CloudFormation type. */
@FunctionalInterface
interface Provisioner {

  /**
   * Creates a resource, before the resources that refer to it.
   *
   * @throws IllegalArgumentException for a property that cannot be honoured; the message names the property, the
   *     start adds the resource's name
   */
  Provisioned provision(Resource resource);

  /**
   * A resource of the template, its intrinsic functions resolved.
   *
   * @param name the suggested physical name: stack and logical id, for example "cafe-OrderEvents"
   */
  record Resource(String logicalId, String type, String name, ObjectNode properties) {

    /** Refuses properties that are not named here, so that nothing in the template is ignored unnoticed. */
    void allowOnly(String... known) {
      var names = java.util.Set.of(known);
      properties.fieldNames().forEachRemaining(property -> {
        if (!names.contains(property)) {
          throw new IllegalArgumentException("property " + property + " of " + type + " is not supported");
        }
      });
    }
  }

  /** @param ref what {@code Ref} gives @param attributes what {@code Fn::GetAtt} gives, by name ("Arn", "A.B") */
  record Provisioned(String ref, Map<String, String> attributes) {}
}
