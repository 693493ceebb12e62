"""The word tables of the generated corpus, each ordered from frequent to rare words."""

# A noun: gender (w is a weak masculine), German, plural (+suffix, = unchanged, - none), English, English plural.
# Marks: !she or !it is the English pronoun, %child the kind of adjectives, @ how a place is used; _ is a space.
NOUNS = {
    "person": """
        m Mann Männer man men; f Frau +en woman women; w Junge +n boy %child; n Mädchen = girl !she %child;
        n Kind +er child children !it %child; m Arbeiter = worker; m Spieler = player; m Vater Väter father;
        f Mutter Mütter mother; f Sängerin +nen singer; m Radfahrer = cyclist; w Tourist +en tourist;
        m Musiker = musician; f Tänzerin +nen dancer; m Läufer = runner; m Bauarbeiter = construction_worker;
        f Dame +n lady; m Koch Köche cook; w Polizist +en police_officer; m Verkäufer = vendor;
        w Fotograf +en photographer; f Großmutter Großmütter grandmother; m Großvater Großväter grandfather;
        m Kellner = waiter; f Kellnerin +nen waitress; m Kletterer = climber; w Soldat +en soldier;
        m Feuerwehrmann Feuerwehrleute firefighter; w Bauer +n farmer; m Fischer = fisherman fishermen;
        f Braut Bräute bride; m Torwart +e goalkeeper; m Reiter = rider; w Matrose +n sailor;
        m Schiedsrichter = referee; m Clown +s clown; f Nonne +n nun; m Handwerker = craftsman craftsmen;
        m Zwilling +e twin; w Gitarrist +en guitarist
    """,
    "animal": """
        m Hund +e dog; f Katze +n cat; n Pferd +e horse; m Vogel Vögel bird; f Kuh Kühe cow;
        w Welpe +n puppy puppies; n Schaf +e sheep sheep; f Ente +n duck; f Ziege +n goat; w Affe +n monkey;
        w Elefant +en elephant; w Bär +en bear; f Gans Gänse goose geese; m Esel = donkey; n Kaninchen = rabbit;
        m Fuchs Füchse fox; w Löwe +n lion; m Wolf Wölfe wolf wolves; f Maus Mäuse mouse mice
    """,
    "mount": "n Pferd +e horse; m Esel = donkey; w Elefant +en elephant; n Kamel +e camel; n Pony +s pony",
    "clothes": """
        n Hemd +en shirt; f Jacke +n jacket; n Kleid +er dress; m Mantel Mäntel coat; m Pullover = sweater;
        m Anzug Anzüge suit; f Uniform +en uniform; m Rock Röcke skirt; f Weste +n vest; f Schürze +n apron;
        m Regenmantel Regenmäntel raincoat; m Badeanzug Badeanzüge swimsuit; m Bademantel Bademäntel bathrobe
    """,
    "accessory": """
        m Hut Hüte hat; m Helm +e helmet; f Mütze +n cap; m Rucksack Rucksäcke backpack; m Schal +s scarf;
        f Maske +n mask; f Krawatte +n tie; m Gürtel = belt; m Handschuh +e glove
    """,
    "ball": """
        m Ball Bälle ball; m Fußball Fußbälle soccer_ball; m Basketball Basketbälle basketball;
        m Tennisball Tennisbälle tennis_ball
    """,
    "toy": """
        m Stock Stöcke stick; m Reifen = tire; f Frisbee +s frisbee; m Schneeball Schneebälle snowball;
        n Seil +e rope; m Luftballon +s balloon; n Stofftier +e stuffed_animal
    """,
    "thing": """
        f Tasche +n bag; m Regenschirm +e umbrella; f Kamera +s camera; m Koffer = suitcase; f Flasche +n bottle;
        m Eimer = bucket; m Korb Körbe basket; f Fahne +n flag; f Blume +n flower; n Messer = knife knives;
        f Leiter +n ladder; f Kiste +n box; n Handtuch Handtücher towel; f Kerze +n candle; m Schlüssel = key;
        f Decke +n blanket; m Besen = broom; n Paar_Schuhe Paare_Schuhe pair_of_shoes pairs_of_shoes
    """,
    "openable": """
        f Kiste +n box; m Koffer = suitcase; f Flasche +n bottle; n Schloss Schlösser lock; f Tür +en door;
        n Fenster = window; n Tor +e gate
    """,
    "instrument": """
        f Gitarre +n guitar; f Geige +n violin; n Klavier +e piano; f Trommel +n drum; f Trompete +n trumpet;
        f Flöte +n flute
    """,
    "readable": """
        n Buch Bücher book; f Zeitung +en newspaper; m Brief +e letter; f Zeitschrift +en magazine;
        n Schild +er sign; f Landkarte +n map; f Speisekarte +n menu; n Rezept +e recipe
    """,
    "paper": """
        n Blatt_Papier Blätter_Papier sheet_of_paper sheets_of_paper; n Bild +er picture;
        m Umschlag Umschläge envelope
    """,
    "food": """
        m Apfel Äpfel apple; f Banane +n banana; m Kuchen = cake; n Brötchen = roll; f Pizza +s pizza; n Ei +er egg;
        f Kartoffel +n potato potatoes; f Tomate +n tomato tomatoes; m Keks +e cookie; f Orange +n orange;
        n Stück_Kuchen Stücke_Kuchen piece_of_cake pieces_of_cake; f Wurst Würste sausage; f Karotte +n carrot;
        m Pfannkuchen = pancake; f Erdbeere +n strawberry;
        f Scheibe_Brot Scheiben_Brot slice_of_bread slices_of_bread
    """,
    "baked": """
        m Kuchen = cake; f Pizza +s pizza; n Brot +e loaf_of_bread loaves_of_bread; m Keks +e cookie;
        f Torte +n tart
    """,
    "plant": """
        f Blume +n flower; m Apfel Äpfel apple; f Erdbeere +n strawberry; n Blatt Blätter leaf leaves;
        f Rose +n rose; f Birne +n pear; f Kirsche +n cherry
    """,
    "drink": """
        n Glas_Wasser Gläser_Wasser glass_of_water glasses_of_water; f Tasse_Tee Tassen_Tee cup_of_tea cups_of_tea;
        f Tasse_Kaffee Tassen_Kaffee cup_of_coffee cups_of_coffee; n Bier +e beer; f Limonade +n lemonade;
        f Flasche_Milch Flaschen_Milch bottle_of_milk bottles_of_milk;
        m Becher_Saft Becher_Saft cup_of_juice cups_of_juice
    """,
    "bike": """
        n Fahrrad Fahrräder bicycle; n Motorrad Motorräder motorcycle; m Roller = scooter;
        n Einrad Einräder unicycle
    """,
    "car": "n Auto +s car; m Lastwagen = truck; m Traktor +en tractor; m Bus Busse bus; n Taxi +s taxi",
    "cart": """
        m Schlitten = sled; m Kinderwagen = stroller; m Einkaufswagen = shopping_cart; f Schubkarre +n wheelbarrow
    """,
    "building": """
        n Haus Häuser house; n Schloss Schlösser castle; f Kirche +n church; m Turm Türme tower;
        m Leuchtturm Leuchttürme lighthouse; f Brücke +n bridge; n Denkmal Denkmäler monument;
        n Segelboot +e sailboat
    """,
    "built": """
        f Sandburg +en sandcastle; m Schneemann Schneemänner snowman snowmen; n Zelt +e tent; f Hütte +n hut;
        n Vogelhaus Vogelhäuser birdhouse; m Zaun Zäune fence
    """,
    "climbable": "m Baum Bäume tree; m Felsen = rock; f Leiter +n ladder; f Mauer +n wall; m Berg +e mountain",
    "water": "m Fluss Flüsse river; m See +n lake; n Meer +e sea; m Teich +e pond; n Schwimmbecken = swimming_pool",
    "outdoors": """
        m Park +s park @id; f Straße +n street @ac; m Strand Strände beach @o; f Wiese +n meadow @fc;
        m Fluss Flüsse river @y; n Feld +er field @fc; m Wald Wälder forest @id; m See +n lake @y;
        m Garten Gärten garden @id; m Spielplatz Spielplätze playground @ac; m Hügel = hill @a;
        m Hof Höfe courtyard @ic; f Brücke +n bridge @auj; m Gehweg +e sidewalk @a; m Markt Märkte market @m;
        f Stadt Städte city @id; m Parkplatz Parkplätze parking_lot @fc; f Küste +n coast @o;
        n Dorf Dörfer village @id; m Zoo +s zoo @z; f Höhle +n cave @id; n Tal Täler valley @id;
        m Hafen Häfen harbor @i; f Wüste +n desert @id; m Sumpf Sümpfe swamp @id
    """,
    "indoors": """
        n Haus Häuser house @ivh; f Küche +n kitchen @i; n Zimmer = room @i; n Restaurant +s restaurant @iv;
        n Gebäude = building @ivh; n Geschäft +e store @iv; f Schule +n school @iv;
        m Bahnhof Bahnhöfe train_station @tv; n Museum Museen museum @ivd; f Kirche +n church @ivh;
        n Stadion Stadien stadium @iv; f Bank +en bank @i; n Schloss Schlösser castle @ivh;
        f Bäckerei +en bakery @iv; f Werkstatt Werkstätten workshop @i; n Zelt +e tent @ivh;
        m Flughafen Flughäfen airport @t; f Scheune +n barn @ivh; f Bücherei +en library @iv;
        n Krankenhaus Krankenhäuser hospital @iv; f Turnhalle +n gymnasium @i
    """,
    "object": """
        m Tisch +e table @anu; f Bank Bänke bench @anh; m Baum Bäume tree @unh; m Stuhl Stühle chair @an;
        n Sofa +s couch @anh; f Mauer +n wall @ahj; m Zaun Zäune fence @nhj; n Auto +s car @nvh;
        n Dach Dächer roof @a; f Bühne +n stage @a; n Bett +en bed @inu; f Treppe +n staircase @a;
        m Felsen = rock @ahj; m Steg +e dock @a; m Teppich +e carpet @a; m Brunnen = fountain @nv;
        f Statue +n statue @nv; n Klavier +e piano @n; m Zug Züge train @iv; n Boot +e boat @in;
        f Hecke +n hedge @hj; n Gerüst +e scaffold @a
    """,
    "stuff": """
        n Wasser - water @i; m Schnee - snow @id; n Gras - grass @i; m Sand - sand @i; m Regen - rain @i;
        m Schatten - shade @i; m Schlamm - mud @id; f Sonne - sun @i; m Nebel - fog @id
    """,
    "people": """
        w Mensch +en person people; m Freund +e friend; w Kollege +n colleague; m Lehrer = teacher;
        m Forscher = researcher; f Ärztin +nen doctor; w Student +en student; w Patient +en patient;
        f Wissenschaftlerin +nen scientist; w Kunde +n customer; m Ingenieur +e engineer; m Bürger = citizen;
        w Nachbar +n neighbor; f Schülerin +nen pupil; w Experte +n expert; m Künstler = artist;
        m Politiker = politician; f Unternehmerin +nen entrepreneur; m Gegner = opponent; m Chef +s boss;
        f Journalistin +nen journalist; m Anwalt Anwälte lawyer; w Philosoph +en philosopher; f Chefin +nen boss;
        w Zeuge +n witness; m Professor +en professor
    """,
    "idea": """
        f Idee +n idea; m Plan Pläne plan; f Lösung +en solution; f Methode +n method;
        m Vorschlag Vorschläge proposal; w.ns Gedanke +n thought; f Theorie +n theory theories; n Konzept +e concept;
        f Entscheidung +en decision; m Ansatz Ansätze approach; f Strategie +n strategy;
        f Möglichkeit +en possibility; n Ziel +e goal; f Regel +n rule; n Argument +e argument;
        f Meinung +en opinion; m Grundsatz Grundsätze principle; f Hypothese +n hypothesis hypotheses;
        m Entwurf Entwürfe draft
    """,
    "problem": """
        n Problem +e problem; f Frage +n question; f Aufgabe +n task; f Krise +n crisis crises;
        m Konflikt +e conflict; f Herausforderung +en challenge; m Fehler = mistake; n Risiko Risiken risk;
        n Rätsel = puzzle; f Gefahr +en danger; n Missverständnis +se misunderstanding;
        m Widerspruch Widersprüche contradiction; f Prüfung +en exam; n Hindernis +se obstacle; m Streit - dispute
    """,
    "tech": """
        n Gerät +e device; m Computer = computer; f Maschine +n machine; n System +e system; n Programm +e program;
        m Roboter = robot; n Werkzeug +e tool; n Modell +e model; f Anwendung +en application;
        w Automat +en vending_machine; n Netzwerk +e network; m Sensor +en sensor; n Medikament +e drug;
        m Impfstoff +e vaccine; n Material +ien material; f Schnittstelle +n interface; n Verfahren = procedure;
        f Batterie +n battery
    """,
    "info": """
        f Geschichte +n story; n Buch Bücher book; m Artikel = article; f Studie +n study; m Bericht +e report;
        f Nachricht +en message; m Vortrag Vorträge talk; f Rede +n speech; m Film +e movie; n Gedicht +e poem;
        m Text +e text; m Brief +e letter; m Vertrag Verträge contract; f Statistik +en statistic;
        n Tagebuch Tagebücher diary
    """,
    "group": """
        f Gesellschaft +en society; f Stadt Städte city; n Unternehmen = company; n Land Länder country;
        f Schule +n school; n Team +s team; f Gemeinschaft +en community; f Regierung +en government;
        f Universität +en university; n Dorf Dörfer village; f Partei +en party; f Organisation +en organization;
        m Staat +en state; n Labor +e lab; m Verein +e club; f Abteilung +en department; f Stiftung +en foundation;
        n Geschäft +e business
    """,
    "relation": """
        f Zukunft - future; f Geschichte - history; f Rolle +n role; f Bedeutung - significance; f Stimme +n voice;
        f Entwicklung - development; f Grenze +n limit; n Ende - end; m Erfolg +e success; f Wirkung +en effect;
        m Anfang - beginning; f Qualität - quality; m Wert - value; f Ursache +n cause; f Struktur - structure
    """,
    "abstract": """
        f Zeit - time; n Vertrauen - trust; f Freiheit - freedom; f Hoffnung - hope;
        f Verantwortung - responsibility; m Mut - courage; n Wissen - knowledge; f Macht - power; f Angst - fear;
        f Erfahrung - experience; f Kreativität - creativity; f Gerechtigkeit - justice; f Geduld - patience;
        n Mitgefühl - compassion; f Neugier - curiosity; n Glück - happiness; f Unterstützung - support;
        f Forschung - research; f Technik - technology; f Bildung - education
    """,
}

# An adjective: stem (predicate/stem where they differ), English, and German comparative where it is irregular.
ADJECTIVES = {
    "person": """
        klein small; jung young; alt old; groß tall; älter older; lachend laughing; müde/müd tired; blond blond;
        fröhlich cheerful; lächelnd smiling; elegant elegant; stark strong; neugierig curious; barfüßig barefoot;
        sportlich athletic; schlank slim; nass wet; ernst serious; dunkelhaarig dark-haired; verkleidet costumed;
        erschöpft exhausted
    """,
    "child": """
        klein small; jünger younger; lachend laughing; blond blond; müde/müd tired; fröhlich cheerful;
        neugierig curious; lächelnd smiling; dunkelhaarig dark-haired; schüchtern shy; barfüßig barefoot; nass wet;
        verkleidet costumed; frech cheeky
    """,
    "plain": """
        alt old; groß big; klein small; neu new; schön beautiful; seltsam strange; riesig huge;
        prächtig splendid
    """,
    "portion": "groß big; klein small; halbleer half-empty; voll full; riesig huge",
    "animal": """
        klein small; braun brown; schwarz black; weiß white; groß big; nass wet; jung young; gefleckt spotted;
        größer bigger; alt old; hungrig hungry; müde/müd tired; grau gray; dick fat; struppig shaggy;
        verspielt playful; wild wild
    """,
    "color": """
        rot red; blau blue; schwarz black; weiß white; grün green; gelb yellow; braun brown; grau gray;
        bunt colorful; golden golden; silbern silver
    """,
    "clothes": """
        gestreift striped; lang long; kurz short; dunkel/dunkl dark; warm warm; kariert plaid; schmutzig dirty;
        neu new; elegant elegant; schick stylish; altmodisch old-fashioned
    """,
    "thing": """
        groß big; klein small; alt old; schwer heavy; leicht light; neu new; schmutzig dirty; teuer/teur expensive;
        seltsam strange; winzig tiny; glänzend shiny
    """,
    "food": """
        groß big; klein small; größer bigger; frisch fresh; lecker delicious; warm warm; kalt cold;
        angebissen half-eaten
    """,
    "outdoors": """
        groß big; ruhig quiet; belebt busy; schön beautiful; klein small; schneebedeckt snow-covered;
        verlassen deserted; weitläufig vast; neblig foggy; abgelegen remote
    """,
    "indoors": """
        groß big; klein small; alt old; leer empty; überfüllt crowded; modern modern; hell bright;
        verlassen deserted; gemütlich cozy; dunkel/dunkl dark; berühmt famous; baufällig dilapidated
    """,
    "people": """
        jung young; gut good; alt old; klug smart; erfahren experienced; begabt talented; kreativ creative;
        berühmt famous; ehrlich honest; mutig brave; arm poor; reich rich; neugierig curious; kritisch critical;
        ehrgeizig ambitious; schüchtern shy; einflussreich influential; freundlich friendly
    """,
    "idea": """
        neu new; gut good; einfach simple; groß big; wichtig important; klar clear; verrückt crazy; mutig bold;
        alt old; überzeugend convincing; interessant interesting; falsch wrong; radikal radical;
        ungewöhnlich unusual; realistisch realistic; gefährlich dangerous; offensichtlich obvious; kühn daring;
        umstritten controversial
    """,
    "problem": """
        groß big; schwierig difficult; wichtig important; komplex complex; ernst serious; alt old; leicht easy;
        dringend urgent; global global; schwer hard; praktisch practical; unerwartet unexpected; bekannt well-known;
        ethisch ethical; unvermeidlich inevitable; winzig tiny; technisch technical
    """,
    "tech": """
        neu new; schnell fast; modern modern; einfach simple; billig cheap; teuer/teur expensive; leicht light;
        digital digital; intelligent intelligent; zuverlässig reliable; sicher safe; nützlich useful;
        leistungsfähig powerful; kompliziert complicated; winzig tiny; medizinisch medical; veraltet outdated
    """,
    "info": """
        lang long; kurz short; interessant interesting; wahr true; persönlich personal; spannend exciting;
        traurig sad; wissenschaftlich scientific; überraschend surprising; alt old; langweilig boring;
        berühmt famous; anonym anonymous; bewegend moving; verständlich understandable
    """,
    "group": """
        groß big; klein small; erfolgreich successful; reich rich; modern modern; offen open;
        international international; demokratisch democratic; arm poor; unabhängig independent;
        traditionell traditional
    """,
    "abstract": """
        groß great; echt real; menschlich human; gemeinsam shared; politisch political; tief deep;
        persönlich personal; wahr true; neu new; wissenschaftlich scientific; ausreichend sufficient;
        grenzenlos boundless
    """,
}

# A verb: German infinitive with prefix| and marks (~ reflexive, ^ dative reflexive), third person and participle where
# irregular (* takes sein); English base (+ doubles), past and participle where irregular; subjects; objects; adjuncts.
# Objects: classes; d: dative; x: dative person and thing; preposition+case>English: a prepositional object.
CAPTION_VERBS = """
    halten/hält,hold/held,person,thing toy ball food drink accessory paper,p;
    tragen/trägt,wear/wore/worn,person,clothes accessory,p; tragen/trägt,carry,person,thing instrument,pd;
    spielen,play,person,instrument,p; lesen/liest,read/read,person,readable,p;
    essen/isst,eat/ate/eaten,person animal,food,p; werfen/wirft,throw/threw/thrown,person,ball toy,pd;
    fangen/fängt,catch/caught,person animal,ball toy,p; streicheln,pet+,person,animal,p;
    kaufen,buy/bought,person,food thing clothes,p; beobachten,watch,person animal,person animal,p;
    trinken,drink/drank/drunk,person,drink,p; schieben,push,person,bike cart car,pd;
    ziehen,pull,person animal,cart toy,pd; füttern,feed/fed,person,animal,p;
    fotografieren,photograph,person,person animal building,p; waschen/wäscht,wash,person,car bike animal,p;
    verkaufen,sell/sold,person,food thing clothes drink,p; schneiden,cut+/cut,person,food,p;
    reparieren,repair,person,bike car openable,p; auf|heben,pick_up,person,thing toy ball,p;
    an|ziehen,put+_on/put,person,clothes,p; aus|ziehen,take_off/took,person,clothes,p;
    an|sehen/sieht,look_at,person animal,person animal building,p; jagen,chase,animal,animal ball toy,pd;
    malen,paint,person,building animal,p; bauen,build/built,person,built,p; umarmen,hug+,person,person,p;
    öffnen,open,person,openable,p; pflücken,pick,person,plant,p; schießen,kick,person,ball,pd;
    backen/backt,bake,person,baked,p; putzen,clean,person,car bike instrument,p; heben,lift,person,thing,p;
    weg|werfen/wirft,throw_away/threw,person,food paper,p; auf|hängen,hang_up/hung,person,clothes,p;
    verfolgen,pursue,person animal,person animal,pd; ein|packen,pack_up,person,thing clothes,p;
    probieren,taste,person,food drink,p; lecken,lick,animal,person animal,p; schließen,close,person,openable,p;
    zeichnen,draw/drew,person,building plant,p; verstecken,hide/hid,person,toy ball,p;
    tragen/trägt,carry,animal,toy ball,pd; helfen/hilft,help,person,d:person,p;
    folgen,follow,person animal,d:person animal,pd; zu|hören,listen_to,person,d:person,p;
    zu|sehen/sieht,watch,person,d:person animal,p; winken,wave_to,person,d:person,p;
    ~nähern,approach,person animal,d:building person animal,-;
    geben/gibt,give/gave,person,x:thing food toy drink,p; zeigen,show,person,x:readable animal plant paper,p;
    reichen,hand,person,x:thing drink,p; bringen,bring/brought,person,x:food drink thing,p;
    zu|werfen/wirft,throw/threw,person,x:ball toy,p; vor|lesen/liest,read/read,person,x:readable,p;
    warten,wait,person,auf+a>for:person car,p; zeigen,point,person,auf+a>at:person animal building,p;
    klettern,climb,person,auf+a>:climbable,-; spielen,play,person animal,mit+d>with:ball toy animal person,p;
    sprechen/spricht,talk,person,mit+d>to:person,p; reiten,ride,person,auf+d>:mount,pd;
    fahren/fährt,ride,person,mit+d>:bike,pd; fahren/fährt,drive,person,mit+d>:car,pd;
    ~unterhalten/unterhält,chat+,person,mit+d>with:person,p; tanzen,dance,person,mit+d>with:person,p;
    ~lehnen,lean,person,an+a>against:climbable,-; kämpfen,fight,person,mit+d>with:person,p;
    lachen,laugh,person,über+a>about:person animal,p; suchen,search,person,nach+d>for:thing toy,p
"""
# Verbs without an object: German,English,subjects,kind (p place, d direction).
CAPTION_INTRANSITIVES = """
    stehen,stand,person animal,p; sitzen,sit+,person animal,p; laufen/läuft,run+,person animal,d;
    gehen,walk,person,d; liegen,lie,person animal,p; springen,jump,person animal,d;
    schlafen/schläft,sleep,person animal,p; arbeiten,work,person,p; tanzen,dance,person,p; singen,sing,person,p;
    warten,wait,person animal,p; rennen,race,person animal,d; ~setzen,sit+_down,person animal,2;
    spielen,play,person animal,p; schwimmen,swim+,person animal,w; ~aus|ruhen,rest,person animal,p;
    kriechen,crawl,person animal,d; knien/kniet,kneel,person,p; ~verstecken,hide,person animal,p;
    lachen,laugh,person,p; wandern,hike,person,d; spazieren,stroll,person,d; beten,pray,person,p;
    ~legen,lie_down,person animal,2; ~um|sehen/sieht,look_around,person,p; zelten,camp,person,p;
    eilen,hurry,person,d; üben,practice,person,p
"""

TALK_VERBS = """
    verstehen/versteht/verstanden,understand/understood,people,idea problem info;
    lösen,solve,people group,problem; entwickeln,develop,people group,idea tech;
    brauchen,need,people group,idea tech abstract;
    finden/findet/gefunden,find/found,people group,idea problem info;
    sehen/sieht/gesehen,see/saw/seen,people,problem idea tech; verändern,change,people idea tech,group idea;
    lesen/liest/gelesen,read/read,people,info; schreiben/schreibt/geschrieben,write/wrote/written,people,info;
    bauen,build/built,people group,tech; erklären,explain,people,idea problem tech;
    kennen/kennt/gekannt,know/knew/known,people,idea problem people group; benutzen,use,people group,tech idea;
    treffen/trifft/getroffen,meet/met,people,people; verlieren/verliert/verloren,lose/lost,people group,abstract;
    testen,test,people group,tech idea;
    vergessen/vergisst/vergessen,forget+/forgot/forgotten,people,idea info problem;
    unterstützen,support,people group,people group idea;
    aus|probieren/probiert/ausprobiert,try_out,people,idea tech; vor|stellen,present,people group,idea tech info;
    besuchen,visit,people,group people; erfinden/erfindet/erfunden,invent,people,tech; fragen,ask,people,people;
    überzeugen,convince,people idea info,people; verbessern,improve,people group tech,idea tech;
    ab|lehnen,reject,people group,idea; teilen,share,people group,idea info;
    untersuchen/untersucht/untersucht,examine,people,problem idea tech group;
    entdecken,discover,people,problem idea; ein|laden/lädt/eingeladen,invite,people group,people;
    an|rufen/ruft/angerufen,call,people,people; schützen,protect,people group tech,people group;
    gründen,found,people,group; führen,lead/led,people,group;
    verlassen/verlässt/verlassen,leave/left,people,group;
    unterrichten/unterrichtet/unterrichtet,teach/taught,people,people;
    diskutieren,discuss,people group,idea problem info; akzeptieren,accept,people group,idea;
    an|nehmen/nimmt/angenommen,adopt,people group,idea;
    auf|geben/gibt/aufgegeben,give_up/gave/given,people,idea abstract;
    gewinnen/gewinnt/gewonnen,gain,people group,abstract;
    kritisieren,criticize,people group,idea group people info; retten,save,people tech,people group;
    analysieren,analyze,people group,problem tech info; vermeiden/vermeidet/vermieden,avoid,people group,problem;
    zerstören,destroy,people problem,tech group; vor|bereiten/bereitet/vorbereitet,prepare,people,info;
    veröffentlichen,publish,people group,info; kaufen,buy/bought,people group,tech;
    bezweifeln,doubt,people,idea info; ersetzen,replace,people tech,tech people;
    um|setzen,implement,people group,idea; verkaufen,sell/sold,people group,tech;
    übersetzen/übersetzt/übersetzt,translate,people,info; verteidigen,defend,people,idea group;
    nach|denken/denkt/nachgedacht,think/thought,people,über+a>about:idea problem group;
    arbeiten,work,people group,an+d>on:idea tech problem;
    sprechen/spricht/gesprochen,talk,people,über+a>about:idea problem people;
    warten,wait,people,auf+a>for:idea people; glauben,believe,people,an+a>in:idea abstract people;
    ~kümmern,take_care/took/taken,people group,um+a>of:people problem;
    ~erinnern,remember,people,an+a>:people problem info; ~freuen,look_forward,people,auf+a>to:idea info;
    ~verlassen/verlässt/verlassen,rely,people group,auf+a>on:people tech idea;
    ~beschäftigen,deal/dealt,people group,mit+d>with:problem idea;
    lernen,learn,people group,aus+d>from:problem info; träumen,dream,people,von+d>of:tech abstract;
    kämpfen,fight/fought,people group,für+a>for:idea people abstract;
    kämpfen,fight/fought,people group,gegen+a>against:problem;
    ~konzentrieren,focus,people group,auf+a>on:problem idea;
    teil|nehmen/nimmt/teilgenommen,take_part/took/taken,people,an+d>in:problem;
    ~wehren,struggle,people,gegen+a>against:idea group;
    ~entscheiden/entscheidet/entschieden,decide,people group,für+a>on:idea tech;
    reagieren,react,people group,auf+a>to:problem info idea;
    verzichten,do/did/done,people group,auf+a>without:tech abstract; ^vor|stellen,imagine,people,tech idea group;
    ^an|sehen/sieht/angesehen,look_at,people,tech info; ^merken,memorize,people,idea info;
    helfen/hilft/geholfen,help,people tech group,d:people group; vertrauen,trust,people,d:people group tech;
    danken,thank,people,d:people group;
    widersprechen/widerspricht/widersprochen,contradict,people info,d:people idea info;
    zu|hören,listen_to,people,d:people; folgen/folgt/*gefolgt,follow,people group,d:people idea;
    begegnen/begegnet/*begegnet,encounter,people,d:people problem;
    zeigen,show/showed/shown,people,x:idea tech info; erzählen,tell/told,people,x:info;
    geben/gibt/gegeben,give/gave/given,people group,x:tech abstract;
    an|bieten/bietet/angeboten,offer,people group,x:idea tech;
    empfehlen/empfiehlt/empfohlen,recommend,people,x:idea info tech;
    beweisen/beweist/bewiesen,prove/proved/proven,people info,idea;
    scheitern/scheitert/*gescheitert,fail,people group idea,an+d>because_of:problem
"""

# Verbs that do not go with modals or aims, and those that English puts in the perfect progressive after "seit".
STATIVE = "brauchen kennen scheitern verlieren"
DURATIVE = """
    entwickeln bauen benutzen testen unterstützen untersuchen unterrichten führen diskutieren arbeiten warten kämpfen
"""
# Subject pronouns: German, person (ich du er wir ihr sie), English, English agreement (0 base form, 1 third person),
# possessive, reflexive accusative and dative.
PRONOUNS = """
    wir 3 we 0 our uns uns; ich 0 I 0 my mich mir; Sie 5 you 0 YOUR sich sich; du 1 you 0 your dich dir;
    man 2 people 0 _ sich sich; ihr 4 you 0 _ euch euch
"""
# Finite auxiliaries: name, six German forms, English (a slash: third person form, question word and infinitive).
AUXILIARIES = """
    haben:habe hast hat haben habt haben:; sein:bin bist ist sind seid sind:;
    können:kann kannst kann können könnt können:can;
    müssen:muss musst muss müssen müsst müssen:have to/has to/do/have to;
    werden:werde wirst wird werden werdet werden:will;
    sollten:sollte solltest sollte sollten solltet sollten:should;
    wollen:will willst will wollen wollt wollen:want to/wants to/do/want to;
    würden:würde würdest würde würden würdet würden:would;
    könnten:könnte könntest könnte könnten könntet könnten:could;
    konnten:konnte konntest konnte konnten konntet konnten:could;
    mussten:musste musstest musste mussten musstet mussten:had to/had to/did/have to;
    wollten:wollte wolltest wollte wollten wolltet wollten:wanted to/wanted to/did/want to;
    dürfen:darf darfst darf dürfen dürft dürfen:may
"""
# Adverbs by tense: German>English, a plus where English moves it to the end of the clause.
ADVERBS = {
    "present": """
        oft>often; immer>always; heute>+today; wirklich>really; jeden Tag>+every day; selten>rarely;
        normalerweise>usually; nie>never; manchmal>sometimes; überall>+everywhere; jedes Jahr>+every year;
        kaum>barely; ständig>constantly
    """,
    "past": """
        gestern>+yesterday; endlich>finally; letztes Jahr>+last year; nie>never; damals>+back then; oft>often;
        schließlich>eventually; letzte Woche>+last week; heute Morgen>+this morning; im letzten Sommer>+last summer;
        plötzlich>suddenly; vorgestern>+the day before yesterday; vor kurzem>recently; zufällig>accidentally;
        nach dem Krieg>+after the war
    """,
    "perfect": "schon>already; gerade>just; noch nie>never; bereits>already; schon oft>often; schon immer>always",
    "soon": """
        morgen>+tomorrow; bald>+soon; nächstes Jahr>+next year; nächste Woche>+next week;
        demnächst>+in the near future; in ein paar Jahren>+in a few years; übermorgen>+the day after tomorrow
    """,
    "modal": """
        heute>+today; endlich>finally; immer>always; bald>+soon; gemeinsam>+together; schnell>quickly;
        in Zukunft>+in the future; eines Tages>+one day; wirklich>really; nie>never; sofort>+immediately;
        irgendwann>+at some point
    """,
}
NUMBERS = """
    zwei two; drei three; fünf five; zehn ten; vier four; zwanzig twenty; sechs six; acht eight; sieben seven;
    fünfzehn fifteen
"""
UNITS = "Jahren years; Monaten months; Wochen weeks; Tagen days; Jahrzehnten decades; Stunden hours"
# Free additions to a clause: German preposition, case, English, nouns.
ADDITIONS = """
    für a for people; mit d with tech; in d in group; trotz g despite problem; ohne a without abstract;
    wegen g because_of problem; dank g thanks_to tech; zusammen_mit d together_with people
"""
# Openings that govern a clause with a final verb.
OPENINGS = """
    Ich glaube, dass>I believe that; Ich denke, dass>I think that; Wir wissen, dass>We know that;
    Ich frage mich, warum>I wonder why; Es ist klar, dass>It is clear that; Das bedeutet, dass>That means that;
    Ich weiß nicht, ob>I do not know whether; Ich möchte Ihnen zeigen, wie>I would like to show you how;
    Viele Leute glauben, dass>Many people believe that; Es ist wichtig, dass>It is important that;
    Niemand weiß, warum>Nobody knows why; Ich hoffe, dass>I hope that; Stellen Sie sich vor, dass>Imagine that;
    Das Problem ist, dass>The problem is that; Wir müssen verstehen, warum>We have to understand why;
    Ich bin überzeugt, dass>I am convinced that; Es hat sich gezeigt, dass>It has turned out that;
    Die Frage ist, ob>The question is whether; Ich habe gelernt, dass>I learned that;
    Das ist der Grund, warum>That is the reason why; Man sagt oft, dass>People often say that;
    Deshalb ist es kein Wunder, dass>That is why it is no wonder that; Ich erinnere mich, wie>I remember how;
    Es überrascht mich nicht, dass>It does not surprise me that; Ich hatte Angst, dass>I was afraid that;
    Vergessen Sie nicht, dass>Do not forget that; Die Daten zeigen, dass>The data show that;
    Studien haben bewiesen, dass>Studies have proven that; Es tut mir leid, dass>I am sorry that;
    Manche behaupten, dass>Some claim that; Mein Vater hat mir erzählt, dass>My father told me that;
    Ich habe nie verstanden, warum>I never understood why; Wir sehen hier, wie>We see here how;
    Es stimmt nicht, dass>It is not true that
"""
QUESTION_OPENINGS = """
    Glauben Sie, dass>Do you believe that; Wissen Sie, warum>Do you know why; Was passiert, wenn>What happens if;
    Haben Sie sich schon einmal gefragt, warum>Have you ever wondered why;
    Wer hätte gedacht, dass>Who would have thought that; Können Sie sich vorstellen, dass>Can you imagine that;
    Ist es möglich, dass>Is it possible that; Woher wissen wir, ob>How do we know whether;
    Warum glauben so viele Leute, dass>Why do so many people believe that
"""
QUESTION_WORDS = "warum why; wie how; wann when; wo where"
# Conjunctions by the time of the clause that they join.
CONJUNCTIONS = {
    "fact": "weil>because; obwohl>although",
    "present": """
        wenn>if; bevor>before; sobald>as soon as; damit>so that; solange>as long as; während>while;
        immer wenn>whenever
    """,
    "past": "weil>because; als>when; obwohl>although; bevor>before; während>while",
}
FRONTED = {
    "fact": "weil>because; obwohl>although; da>since",
    "present": "wenn>if; bevor>before; sobald>as soon as; solange>as long as; immer wenn>whenever; während>while",
    "past": "als>when; weil>because; obwohl>although; bevor>before",
}
COORDINATORS = """
    und>and; aber>but; denn>because; und deshalb^>and therefore; aber trotzdem^>but still; und dann^>and then
"""
LINKS = """
    deshalb>therefore,; natürlich>of course,; leider>unfortunately,; vielleicht>perhaps; am Ende>in the end,;
    außerdem>besides,; zum Glück>fortunately,; zum Beispiel>for example,; überraschenderweise>surprisingly,;
    meiner Meinung nach>in my opinion,; ehrlich gesagt>to be honest,; auf diese Weise>in this way,;
    trotzdem>nevertheless,; tatsächlich>in fact,
"""
INFINITIVE_FRAMES = """
    wir>Wir haben versucht,>We tried to; ich>Ich habe beschlossen,>I decided to;
    wir>Wir haben gelernt,>We learned to; Sie>Es ist nicht leicht,>It is not easy to;
    ich>Ich habe vergessen,>I forgot to; wir>Es ist unsere Aufgabe,>It is our task to; ich>Ich hoffe,>I hope to;
    wir>Wir haben die Chance,>We have the chance to; ich>Ich habe angefangen,>I started to;
    Sie>Es ist heute möglich,>Today it is possible to; wir>Wir haben uns geweigert,>We refused to;
    Sie>Es kostet viel Zeit,>It takes a lot of time to
"""
RELATIVE_HEADS = """
    Das ist>n>This is; Wir brauchen>a>We need; Ich möchte über>a>I would like to talk about>sprechen;
    Es gibt>a>There is; Ich habe von>d>I heard about>gehört;
    Wir haben lange nach>d>For a long time we looked for>gesucht; Das war>n>That was;
    Ich erzähle Ihnen heute von>d>Today I will tell you about; Hier sehen Sie>a>Here you see;
    Vielleicht ist das>n>Perhaps this is
"""
COMPARATIVES = """
    wichtiger more important; besser better; einfacher simpler; größer bigger; interessanter more interesting;
    älter older; schwieriger more difficult; teurer more expensive; gefährlicher more dangerous;
    nützlicher more useful; komplizierter more complicated; länger longer; überzeugender more convincing;
    schlimmer worse; bekannter better known
"""

# Which adjectives a kind of noun takes where it is not the kind of the same name.
ADJECTIVE_KINDS = {
    **dict.fromkeys("accessory ball toy car cart bike".split(), "color"),
    **dict.fromkeys("readable paper building built climbable object water instrument openable plant".split(), "plain"),
    **{"baked": "food", "drink": "portion", "mount": "animal", "relation": "abstract", "stuff": "abstract"},
}
# How a place is used: German preposition, English for being there, English for going there.
PLACE_CODES = {
    "i": ("in", "in", "into"),
    "a": ("auf", "on", "onto"),
    "f": ("auf", "in", "into"),
    "m": ("auf", "at", "to"),
    "t": ("an", "at", "to"),
    "y": ("an", "by", "to"),
    "o": ("an", "on", "to"),
    "z": ("in", "at", "to"),
    "v": ("vor", "in front of", "in front of"),
    "h": ("hinter", "behind", "behind"),
    "n": ("neben", "next to", "next to"),
    "u": ("unter", "under", "under"),
}
PATH_CODES = {"d": ("durch", "through"), "c": ("über", "across"), "j": ("über", "over")}
CONTRACTIONS = {
    "in dem ": "im ",
    "in das ": "ins ",
    "an dem ": "am ",
    "an das ": "ans ",
    "zu dem ": "zum ",
    "zu der ": "zur ",
    "von dem ": "vom ",
    "bei dem ": "beim ",
}
COUNTS = "zwei two; drei three; vier four; fünf five; sechs six; zehn ten"
AMOUNTS = "einig some; viel many; mehrer several"
POSSESSIVES = "mein my; dein your; unser our; Ihr YOUR; sein his; sein its; sein her; ihr her; ihr its; ihr their"
INTRODUCTIONS = """
    Wir haben>We have; Ich kenne>I know; Im letzten Jahr fanden wir>Last year we found;
    Damals hatten wir>In those days we had; Mein Kollege zeigte mir>My colleague showed me;
    Ich sehe hier>I see here; In diesem Buch finden Sie>In this book you find;
    Plötzlich hatten wir>Suddenly we had; Am Anfang hatte ich nur>In the beginning I only had
"""

# The scenes of the readers' corpus: people, things and places that belong together.
SCENES = {
    "kitchen": {
        "people": """
            cook; baker; waiter; grandmother; butcher; guest; pastry_chef; dishwasher; confectioner; hostess;
            brewer; cheesemaker; barista; caterer
        """,
        "things": """
            potato; carrot; loaf; pan; kettle; plate; ladle; pie; stew; pot; spoon; sausage; pancake; jar; recipe; tart;
            bowl; fork; noodle; dumpling; sauce; cutlet
        """,
        "places": """
            in the kitchen; at the stove; beside the oven; in the pantry; at the counter; in the bakery; over the sink;
            in the restaurant; beside the fridge; at the buffet
        """,
    },
    "harbor": {
        "people": """
            sailor; fisherman; captain; diver; dock_worker; ferryman; shipbuilder; lighthouse_keeper; pirate; helmsman;
            coast_guard; whaler; stowaway; deckhand
        """,
        "things": """
            net; anchor; sail; buoy; rope; oar; rudder; mast; lifeboat; herring; crab; hull; compass; lantern; barge;
            cutter; trawl; canoe; flagpole; mussel; cable; paddle
        """,
        "places": """
            on the pier; at the dock; below deck; on the ferry; beside the lighthouse; in the harbor; on the quay;
            at the shipyard; on the jetty; near the reef
        """,
    },
    "farm": {
        "people": """
            farmer; shepherd; milkmaid; beekeeper; gardener; farmhand; stable_boy; winegrower; miller; forester;
            herder; fruit_picker; swineherd; blacksmith
        """,
        "things": """
            goat; plow; haystack; fence; calf; tractor; beehive; pitchfork; saddle; piglet; trough; scarecrow; seedling;
            hen; wheelbarrow; sheaf; lamb; pumpkin; turnip; barrow; rake; horseshoe
        """,
        "places": """
            in the barn; in the meadow; behind the stable; at the mill; in the orchard; on the pasture;
            beside the henhouse; in the vineyard; near the silo; at the pond
        """,
    },
    "school": {
        "people": """
            teacher; pupil; student; headmaster; librarian; professor; caretaker; tutor; classmate; lecturer;
            scholar; substitute; examiner; linguist
        """,
        "things": """
            blackboard; essay; textbook; pencil; globe; chalk; exam; dictionary; ruler; notebook; microscope; diploma;
            satchel; poem; map; equation; crayon; timetable; eraser; atlas; quiz; novel
        """,
        "places": """
            in the classroom; at the desk; in the library; in the lecture hall; on the playground; in the laboratory;
            beside the blackboard; in the gym; at the seminar; in the corridor
        """,
    },
    "hospital": {
        "people": """
            nurse; doctor; surgeon; patient; midwife; dentist; paramedic; pharmacist; visitor; orderly;
            radiologist; therapist; pediatrician; convalescent
        """,
        "things": """
            bandage; syringe; stretcher; crutch; pill; thermometer; wheelchair; scalpel; plaster; blanket; ointment;
            vaccine; pillow; x-ray; drip; mask; tablet; stethoscope; sling; tourniquet; incubator; swab
        """,
        "places": """
            in the ward; at the bedside; in the operating room; in the clinic; in the ambulance; at the reception;
            in the waiting room; beside the cot; in the pharmacy; on the stairs of the hospital
        """,
    },
}
SHARED = {
    "people": "man; woman; boy; girl; neighbor; friend; brother; sister; stranger; child; uncle; cousin",
    "things": """
        box; bag; letter; key; bottle; chair; table; coat; lamp; ladder; bucket; picture; radio; clock; basket; door
    """,
    "places": "over there; in the morning; with a smile; very slowly; for an hour; in the rain; without a word; again",
}
SHARED_ACTIONS = """
    carry/carried/carrying; clean/cleaned/cleaning; look_for/looked_for/looking_for;
    repair/repaired/repairing; lift/lifted/lifting; paint/painted/painting; drop/dropped/dropping;
    show/showed/showing; inspect/inspected/inspecting; order/ordered/ordering;
    measure/measured/measuring; hide/hid/hiding; move/moved/moving; wash/washed/washing;
    count/counted/counting; praise/praised/praising; push/pushed/pushing; lose/lost/losing;
    borrow/borrowed/borrowing; describe/described/describing
"""
