/* Which names fall under which rule of deidentify.c. Lower case, without separators. Each list ends with 0. */
#ifndef BELLGATE_DEIDENTIFY_RULES_H
#define BELLGATE_DEIDENTIFY_RULES_H

/* Dates directly related to a person (identifier C), and the moments of care. */
static const char *const date_names[] = {
    "date", "dob", "dod", "birth", "born", "birthday", "death", "died", "deceased", "deceaseddatetime", "admitted",
    "admission", "discharged", "discharge", "timestamp", "datetime", "issued", "recorded", "onset", "start", "end",
    "started", "ended", "authoredon", "asserteddate", "effectivedatetime", "lastupdated", 0};
static const char *const date_ends[] = {"date", "dates", "datetime", "birthday", "timestamp", "dateofbirth", "dateofdeath", 0};
static const char *const not_date_names[] = {"update", "candidate", "mandate", "validate", 0};

static const char *const age_names[] = {"age", "ageyears", "ageinyears", "patientage", 0};

/* Geographic subdivisions smaller than a state (identifier B). */
static const char *const postal_names[] = {"zip", "zipcode", "zip5", "postalcode", "postcode", "zippostalcode", 0};
static const char *const address_names[] = {"addresses", "addr", "residence", "birthplace", "placeofbirth", "location", "locations", 0};
static const char *const kept_place_names[] = {"state", "stateprovince", "country", "countrycode", 0};
static const char *const network_address_parts[] = {"email", "mail", "ip", "mac", "web", "url", 0};

/* Fewer than 20,000 people (Census 2000), as listed in the guidance of HHS on the Safe Harbor method. */
static const char *const few_people_prefixes[] = {"036", "059", "063", "102", "203", "556", "692", "790", "821",
                                                  "823", "830", "831", "878", "879", "884", "890", "893", 0};

/* Whole names. Letters of the identifiers of 164.514(b)(2)(i) in the comments. */
static const char *const removed_names[] = {
    /* A: names, of the person, of relatives, household and employer */
    "name", "names", "given", "family", "alias", "aliases", "initials", "contact", "contacts", "relative",
    "relatives", "guardian", "nextofkin", "emergencycontact", "spouse", "employer",
    /* B: places */
    "street", "street1", "street2", "streetline", "addressline", "addressline1", "addressline2", "city", "town", "village",
    "county", "district", "parish", "precinct", "neighborhood", "latitude", "longitude", "lat", "lon", "lng", "geo",
    "geocode", "coordinates", "position",
    /* D, E, F: telephone, fax, mail */
    "tel", "tels", "telecom", "mobile", "cell", "pager", "fax", "mail",
    /* G to K: numbers that name a person */
    "ssn", "sin", "nin", "nhs", "nhsnumber", "mrn", "mrns", "ein", "itin", "npi", "dea", "policy", "policyno",
    "account", "accounts", "iban", "creditcard", "card", "cardnumber", "license", "licence", "licenses",
    "licences", "certificate", "certificates",
    /* L, M: vehicles and devices */
    "vin", "vehicle", "vehicles", "plate", "platenumber", "licenseplate", "licenceplate", "device", "devices", "serial",
    "serialnumber", "serialno", "udi", "imei", "imsi", "mac",
    /* N, O: addresses on the network */
    "url", "urls", "uri", "uris", "website", "web", "homepage", "ip", "ips", "ipv4", "ipv6", "hostname",
    /* P, Q: biometric marks, photographs */
    "biometric", "biometrics", "fingerprint", "fingerprints", "voiceprint", "retina", "iris", "faceprint", "photo",
    "photos", "photograph", "photographs", "picture", "pictures", "image", "images", "avatar", "portrait", "selfie",
    "signature", "signatures",
    /* R: any other unique number or mark */
    "identifier", "identifiers", "ids", "uuid", "guid", "reference", "username", "login", "handle", "twitter", "facebook",
    "linkedin", "instagram", "barcode",
    /* Free text may hold any of them. */
    "note", "notes", "comment", "comments", "remark", "remarks", "memo", "narrative", "freetext", "history", "div", 0};

/* Parts of names that leave no doubt. */
static const char *const removed_parts[] = {"phone", "email", "fax", "socialsecurity", "passport", "medicalrecord",
                                            "healthplan", "beneficiary", "driverslicen", "driverlicen", "ipaddress",
                                            "macaddress", "fingerprint", "photograph", "biometric", "maidenname", 0};

/* Ends of names. */
static const char *const removed_ends[] = {"ssn",    "mrn",          "accountnumber", "accountno", "policynumber", "membernumber",
                                           "idnumber", "licensenumber", "licencenumber", "certificatenumber", "serialnumber", "platenumber",
                                           "url",    "uri",          "photo",        "signature",     "identifier", "street", "city", "county", 0};

/* Their texts are codes of a terminology, or say what a document is. */
static const char *const code_names[] = {"code",   "codes",   "system",  "systems",         "loinc",           "snomed",        "icd",  "icd9",
                                         "icd10",  "rxnorm",  "atc",     "ndc",             "cpt",             "unit",          "units", "version",
                                         "kind",   "type",    "status",  "resourcetype",    "manifestversion", "schemaversion", "protocolversion", "jsonrpc", 0};

/* What stands before a name in a text. */
static const char *const titles[] = {"mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "sr", "sra", 0};
static const char *const months[] = {"jan", "january", "feb", "february", "mar", "march", "apr", "april", "may", "jun", "june", "jul", "july",
                                     "aug", "august", "sep", "sept", "september", "oct", "october", "nov", "november", "dec", "december", 0};

/* Objects that are a person's record; as text or number they name the person. */
static const char *const person_names[] = {"patient", "patients", "person", "persons", "subject", "subjects", "member", "members",
                                           "subscriber", "user", 0};

/* A "name" directly in one of these is the name of a thing. */
static const char *const thing_names[] = {
    "medication", "medications", "drug", "drugs", "prescription", "prescriptions", "diagnosis", "diagnoses", "condition",
    "conditions", "procedure", "procedures", "observation", "observations", "test", "tests", "lab", "labs", "labresults",
    "results", "result", "panel", "panels", "vital", "vitals", "allergy", "allergies", "immunization", "immunizations",
    "vaccine", "vaccines", "vaccination", "vaccinations", "problem", "problems", "symptom", "symptoms", 0};
static const char *const thing_name_ends[] = {
    "medicationname", "drugname", "brandname", "genericname", "productname", "testname", "labname", "panelname", "procedurename",
    "diagnosisname", "conditionname", "vaccinename", "allergenname", "codename", "typename", "unitname", 0};

#endif
